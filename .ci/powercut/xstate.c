// xstate.c - lets user-mode Linux 6.1 run on processors with more state than it knows.
//
// It keeps a process's registers (NT_X86_XSTATE) in a buffer as large as AVX-512 and PKU need, and Linux takes them
// back only whole: on a processor with AMX they are 11,008 bytes, PTRACE_SETREGSET answers EFAULT, and UML panics
// ("ptrace set fp regs failed"). Preloaded, this adds what is missing: state that nothing in the guest has used.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

static long (*real)(int, ...);

__attribute__((constructor)) static void resolve(void) { real = dlsym(RTLD_NEXT, "ptrace"); }

long ptrace(enum __ptrace_request request, ...)
{
	va_list list;
	va_start(list, request);
	pid_t pid = va_arg(list, pid_t);
	void *addr = va_arg(list, void *);
	struct iovec *known = va_arg(list, struct iovec *);
	va_end(list);
	if (request != PTRACE_SETREGSET || (uintptr_t)addr != NT_X86_XSTATE)
		return real(request, pid, addr, known);

	static char state[1 << 16]; // UML has one processor
	struct iovec all = { state, sizeof state };
	long error = real(PTRACE_GETREGSET, pid, addr, &all);
	if (error || all.iov_len <= known->iov_len)
		return error ? error : real(request, pid, addr, known);
	memcpy(state, known->iov_base, known->iov_len); // its header says what is there: nothing behind
	return real(request, pid, addr, &all);
}
