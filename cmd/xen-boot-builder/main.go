// Command xen-boot-builder keeps the Xen boot entries of a NixOS machine in line with
// its generations. Run `xen-boot-builder help` for its use; the work is done by package
// bootbuilder.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(process(configFile, espPlaces(), thisMachine())) }

// process runs as a process does, with its arguments, streams, environment and signals.
func process(config string, places []string, machine running) int {
	// The reader of our output going away must not end the run half-way.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The first signal asks the run to end in order; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr, environment{
		getenv: os.Getenv, config: config, places: places, running: machine,
	})
}
