package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is the user's mistakes in one call; the program exits with
// exitMistake.
type usageError struct {
	mistakes []error
}

// usage makes one error of what is wrong with a call's flags and arguments,
// each part naming the field, its value and what would be right. Nil parts are
// left out, joined ones are taken apart, and without any it is nil.
//
// A subcommand first checks all its flags and returns this, so that the user
// sees every mistake at once. That includes a flag that must be given: marking
// it as required in cobra would hide the other mistakes.
func usage(parts ...error) error {
	var mistakes []error
	for _, err := range parts {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			mistakes = append(mistakes, joined.Unwrap()...)
		} else if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	if mistakes == nil {
		return nil
	}
	return &usageError{mistakes}
}

// Error has one mistake a line.
func (e *usageError) Error() string {
	return errors.Join(e.mistakes...).Error()
}

// Unwrap gives the mistakes.
func (e *usageError) Unwrap() []error { return e.mistakes }

// hintError is an error with what the user can do about it.
type hintError struct {
	error
	hint string
}

// Unwrap gives the error without the hint.
func (e *hintError) Unwrap() error { return e.error }

// withHint adds to err, which may be nil, what the user can do about it: a
// sentence, printed on a line of its own.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// report prints what the subcommand at path, such as "foretide train", failed
// with.
func (a *app) report(path string, err error) {
	hint := ""
	if h := (*hintError)(nil); errors.As(err, &h) {
		hint = h.hint
	}
	if a.output == "json" {
		e := json.NewEncoder(a.stderr)
		e.SetEscapeHTML(false)
		_ = e.Encode(struct { // nobody is left to tell
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{err.Error(), hint})
		return
	}
	text := " " + err.Error()
	if strings.Contains(text, "\n") {
		text = strings.ReplaceAll("\n"+text[1:], "\n", "\n  ")
	}
	fmt.Fprintf(a.stderr, "%s:%s\n", path, text)
	if hint != "" {
		fmt.Fprintln(a.stderr, hint)
	}
}

// beforeStart makes a mistake of the user's of an error met before cmd's own
// code ran, and finds in args what cobra, which stops at the first error, did
// not come to: the other wrong flags, the wanted output, and the commands that
// an unknown one may have been meant for.
func beforeStart(cmd *cobra.Command, args []string, err error) error {
	root := cmd.Root()
	early := pflag.NewFlagSet(root.Name(), pflag.ContinueOnError)
	early.AddFlagSet(root.PersistentFlags())
	early.ParseErrorsAllowlist.UnknownFlags = true
	early.SetOutput(io.Discard)
	_ = early.Parse(args) // only to learn of --output; what is wrong is found below

	if cmd == root && early.NArg() > 0 {
		return withHint(usage(fmt.Errorf("unknown command %q", early.Arg(0))), "%s", commandHint(root, early.Arg(0)))
	}
	if _, rest, findErr := root.Find(args); findErr == nil {
		if found := flagMistakes(cmd.Flags(), rest); found != nil {
			err = usage(found...)
		}
	}
	if !errors.As(err, new(*usageError)) {
		err = usage(err)
	}
	return withHint(err, "Run '%s --help' for what it takes.", cmd.CommandPath())
}

// commandHint says which command name may have been meant for.
func commandHint(root *cobra.Command, name string) string {
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf("Did you mean '%s %s'?", root.Name(), strings.Join(near, "' or '"))
	}
	return fmt.Sprintf("Run '%s --help' for the commands there are.", root.Name())
}

// flagMistakes is all that is wrong with args as flags of fs. It leaves fs
// unfit for use.
func flagMistakes(fs *pflag.FlagSet, args []string) []error {
	var unknown []error
	for {
		found := slices.Clone(unknown)
		err := fs.ParseAll(args, func(f *pflag.Flag, value string) error {
			if err := f.Value.Set(value); err != nil {
				found = append(found, fmt.Errorf("--%s %q: %w", f.Name, value, wanted(f, err)))
			}
			return nil
		})
		missing := (*pflag.NotExistError)(nil)
		if !errors.As(err, &missing) {
			if err != nil {
				found = append(found, err)
			}
			return found
		}
		// The next turn knows the flag, so it ends on another one or not at
		// all.
		name, letters := missing.GetSpecifiedName(), missing.GetSpecifiedShortnames()
		if letters == "" {
			unknown = append(unknown, fmt.Errorf("--%s: there is no such flag", name))
			fs.String(name, "", "")
		} else {
			// The parser goes by bytes; a letter's first one speaks for it.
			if letter, _ := utf8.DecodeRuneInString(letters); letter != utf8.RuneError {
				unknown = append(unknown, fmt.Errorf("-%c: there is no such flag", letter))
			}
			name = "unknown -" + letters[:1]
			fs.StringP(name, letters[:1], "", "")
		}
		fs.Lookup(name).NoOptDefVal = "none"
	}
}

// wanted says what f takes, where err only says what the parser stumbled over.
func wanted(f *pflag.Flag, err error) error {
	switch f.Value.Type() {
	case "int", "int32", "int64":
		return errors.New("want a whole number")
	case "uint", "uint32", "uint64":
		return errors.New("want a whole number, not negative")
	case "float32", "float64":
		return errors.New("want a number")
	case "bool":
		return errors.New("want true or false")
	case "duration":
		return errors.New("want a duration such as 90s, 10m or 2h")
	}
	return err
}
