package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// globalFlags are the flags of every subcommand.
func (a *app) globalFlags(fs *pflag.FlagSet) {
	fs.Var(newChoice(&a.output, "text", "json"), "output", "how results read: text or json")
	fs.Var(newChoice(&a.logLevel, "info", "debug", "warn", "error"), "log-level", "the least that is logged: debug, info, warn or error")
	fs.Var(newChoice(&a.logFormat, "text", "json"), "log-format", "how logs read: text or json")
}

// logger is what the global flags ask for.
func (a *app) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(a.logLevel)) // the flag allows level names only
	o := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	allowed []string
}

// newChoice is a flag that sets value, which starts as the first word.
func newChoice(value *string, first string, others ...string) *choice {
	*value = first
	return &choice{value, append([]string{first}, others...)}
}

// String is the word chosen.
func (c *choice) String() string { return *c.value }

// Type is what help calls the value.
func (c *choice) Type() string { return "word" }

// Set takes an allowed word.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("want %s", strings.Join(c.allowed, " or "))
	}
	*c.value = s
	return nil
}
