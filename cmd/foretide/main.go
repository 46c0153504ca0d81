// Command foretide forecasts the load of a mesh's services and lets KEDA scale
// ahead of it. It only wires: each subcommand stands in a file of its own and
// turns flags into calls of the packages that do the work.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default handling is back, so that a second
	// one ends a shutdown that hangs.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: args come without its name. When ctx ends, it ends. It
// returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, now: time.Now}
	return a.execute(ctx, newRoot(a), args)
}
