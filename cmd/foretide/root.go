package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
)

// app is what every subcommand shares.
type app struct {
	// Results go to stdout; progress, logs and errors to stderr.
	stdout, stderr io.Writer
	// now is the clock: below cmd, an instant is an argument.
	now func() time.Time
	// log is what --log-level and --log-format ask for. It is there once a
	// subcommand runs.
	log *slog.Logger

	output, logLevel, logFormat string // the global flags
	started                     bool   // a subcommand's own code has begun
}

// newRoot is the tree of commands. A new subcommand is one line here.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "foretide",
		Short: "Forecast the load of a mesh's services and scale them ahead of it",
		Long: "Foretide forecasts how many requests each service of a mesh is about to receive\n" +
			"and lets KEDA scale ahead of them.",
		Example:       "  foretide version --output json",
		SilenceErrors: true, // report prints them
		SilenceUsage:  true,
	}
	root.AddCommand(
		newBacktestCommand(a),
		newDemoCommand(a),
		newModelsCommand(a),
		newReplayCommand(a),
		newServeCommand(a),
		newTrainCommand(a),
		newVersionCommand(a),
	)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.globalFlags(root.PersistentFlags())
	for _, c := range root.Commands() {
		a.start(c)
	}
	return root
}

// start lets the subcommand c run with the global flags applied.
func (a *app) start(c *cobra.Command) {
	if c.Args == nil {
		c.Args = flagsOnly
	}
	body := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		a.started = true
		a.log = a.logger()
		return body(c, args)
	}
}

// flagsOnly refuses arguments; cobra would pass them over in silence.
func flagsOnly(_ *cobra.Command, args []string) error {
	var wrong []error
	for _, arg := range args {
		wrong = append(wrong, fmt.Errorf("argument %q: want flags only", arg))
	}
	return usage(wrong...)
}

// Exit codes. Work that a signal cuts short has no result to give and ends
// with exitFailure; a server that a signal stops has done its job, returns nil
// and ends with exitOK.
const (
	exitOK      = 0
	exitFailure = 1
	exitMistake = 2
)

// execute runs the command of root that args name and returns the exit code.
func (a *app) execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case !a.started:
		err = beforeStart(cmd, args, err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	a.report(cmd.CommandPath(), err)
	if errors.As(err, new(*usageError)) {
		return exitMistake
	}
	return exitFailure
}
