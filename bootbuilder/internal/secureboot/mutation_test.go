package secureboot_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestMutationsBesidePeers changes signed images in thousands of ways, most of them where numbers lie that
// say what is signed. An image that we take and sbverify or osslsigncode does not is a false accept, and
// so is one that differs from the signed one in anything that is protected.
func TestMutationsBesidePeers(t *testing.T) {
	t.Parallel()
	count := 3000
	if testing.Short() {
		count = 50
	}
	for _, p := range peers() {
		need(t, p.name)
	}
	db := people().db
	dir := t.TempDir()
	certFile := filepath.Join(dir, "cert.pem")
	writePEM(t, certFile, "CERTIFICATE", db.cert.Raw)
	bases := [][]byte{sign(t, smallImage("hello"), db), sign(t, oddImage(), db)}

	var mu sync.Mutex
	tally := make(map[string]int)
	var workers sync.WaitGroup
	jobs := make(chan int)
	for range 2 {
		workers.Go(func() {
			for n := range jobs {
				base := bases[n%len(bases)]
				image, what := mutate(base, rand.New(rand.NewPCG(1, uint64(n))))
				ours := verify(image, db.cert) == nil
				if ours && !equivalent(image, base) {
					t.Errorf("mutation %d (%s): accepted, but it is not what was signed", n, what)
				}
				file := filepath.Join(dir, fmt.Sprintf("%d.efi", n))
				if err := os.WriteFile(file, image, 0o600); err != nil {
					t.Error(err)
				}
				verdict := fmt.Sprintf("we %v", ours)
				for _, p := range peers() {
					out, err := judge(p.name, p.args(file, certFile))
					var status *exec.ExitError
					if err != nil && !errors.As(err, &status) {
						t.Error(err)
					}
					verdict += fmt.Sprintf(", %s %v", p.name, err == nil)
					if ours && err != nil && !knownOdd(p.name, base, image) {
						t.Errorf("mutation %d (%s): we accept it, %s does not:\n%s", n, what, p.name, out)
					}
				}
				os.Remove(file)
				mu.Lock()
				tally[verdict]++
				mu.Unlock()
			}
		})
	}
	for n := range count {
		jobs <- n
	}
	close(jobs)
	workers.Wait()
	for verdict, n := range tally {
		t.Logf("%5d: %s", n, verdict)
	}
}

// judge runs a peer for a few seconds at most: some mutations make it run without end, which
// is not an acceptance.
func judge(name string, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

// knownOdd is where a peer refuses what we take with reason: none so far.
func knownOdd(string, []byte, []byte) bool { return false }

// mutate changes an image in one of several ways, and says how.
func mutate(image []byte, r *rand.Rand) ([]byte, string) {
	le := binary.LittleEndian
	start := tableStart(image)
	coff := int(le.Uint32(image[0x3c:])) + 4
	sections := optionalHeader(image) + int(le.Uint16(image[coff+16:]))
	count := int(le.Uint16(image[coff+2:]))
	interesting := []uint32{0, 1, 7, 8, 0x200, 0x1000, uint32(start), uint32(len(image)), uint32(len(image) - start), 0x7fffffff, 0xffffffff}
	number := func() uint32 {
		if r.IntN(2) == 0 {
			return interesting[r.IntN(len(interesting))]
		}
		return r.Uint32N(uint32(len(image) + 64))
	}
	put := func(at int, what string) ([]byte, string) {
		v := number()
		return patch(image, at, le.AppendUint32(nil, v)...), fmt.Sprintf("%s at %#x = %#x", what, at, v)
	}
	switch r.IntN(9) {
	case 0: // any byte
		at := r.IntN(len(image))
		return patch(image, at, byte(r.Uint32())), fmt.Sprintf("byte %#x", at)
	case 1: // a byte of the headers
		at := r.IntN(sections + 40*count)
		return patch(image, at, byte(r.Uint32())), fmt.Sprintf("header byte %#x", at)
	case 2: // a number in a section header
		return put(sections+40*r.IntN(count)+[]int{8, 12, 16, 20, 24, 36}[r.IntN(6)], "section header")
	case 3: // a number in the optional header
		return put(optionalHeader(image)+4*r.IntN(28), "optional header")
	case 4: // the Security directory
		return put(securityEntry(image)+4*r.IntN(2), "Security directory")
	case 5: // the table
		at := start + r.IntN(len(image)-start)
		return patch(image, at, byte(r.Uint32())), fmt.Sprintf("table byte %#x", at)
	case 6: // more at the end, with or without the directory growing along
		more := make([]byte, 8*(1+r.IntN(4)))
		if r.IntN(2) == 0 {
			for i := range more {
				more[i] = byte(r.Uint32())
			}
		}
		longer := append(patch(image, 0), more...)
		if r.IntN(2) == 0 {
			return resize(longer), "longer, and said so"
		}
		return longer, "longer"
	case 7: // less at the end
		n := 1 + r.IntN(64)
		return patch(image[:len(image)-n], 0), fmt.Sprintf("%d bytes shorter", n)
	default: // two sections swap their content, or one moves
		a, b := sections+40*r.IntN(count), sections+40*r.IntN(count)
		changed := patch(image, a+16, image[b+16:b+24]...)
		return patch(changed, b+16, image[a+16:a+24]...), "sections swapped"
	}
}
