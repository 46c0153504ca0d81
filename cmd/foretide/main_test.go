package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestMain makes foretide a command of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"foretide": main})
}

// TestScripts calls the real command line; each file is a user's session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// TestHelp keeps every command, whoever adds it, explained and with an example
// that calls it.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s: no Short", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short %q ends with a full stop", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: example line %q is not indented by two", c.CommandPath(), line)
			}
		}
		if !strings.Contains(c.Example, "  "+c.CommandPath()) {
			t.Errorf("%s: no example that calls it", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{}))
}

// probe runs a command line on the real tree with one more command, "probe",
// which does what body does.
func probe(ctx context.Context, body func(*app) error, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	a := &app{stdout: &out, stderr: &errs, now: time.Now}
	c := &cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error { return body(a) }}
	c.Flags().Duration("budget", time.Minute, "")
	c.Flags().Int("seed", 1, "")
	root := newRoot(a)
	root.AddCommand(c)
	a.start(c)
	code = a.execute(ctx, root, args)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	ctx := context.Background()
	stopped, stop := context.WithCancel(ctx)
	stop()

	f := func(name string, ctx context.Context, err error, wantCode int, wantStderr string) {
		t.Helper()
		code, _, stderr := probe(ctx, func(*app) error { return err }, "probe")
		if code != wantCode {
			t.Errorf("%s: exit code %d, want %d", name, code, wantCode)
		}
		if diff := cmp.Diff(wantStderr, stderr); diff != "" {
			t.Errorf("%s: stderr (-want +got):\n%s", name, diff)
		}
	}
	f("success", ctx, nil, 0, "")
	f("failure", ctx, errors.New("open store: no such bucket"), 1, "foretide probe: open store: no such bucket\n")
	f("failure with a hint", ctx, fmt.Errorf("train: %w", withHint(errors.New("no model"), "Train one with %s.", "this")), 1,
		"foretide probe: train: no model\nTrain one with this.\n")
	f("one mistake", ctx, usage(nil, errors.New(`--store "x": want a URL`)), 2, "foretide probe: --store \"x\": want a URL\n")
	f("several mistakes, some joined", ctx, usage(errors.Join(errors.New("--a: b"), errors.New("--c: d")), nil, errors.New("--e: f")), 2,
		"foretide probe:\n  --a: b\n  --c: d\n  --e: f\n")
	f("work cut short", stopped, fmt.Errorf("fit: %w", context.Canceled), 1, "foretide probe: interrupted\n")
	f("server stopped", stopped, nil, 0, "")
	f("a deadline of its own, no signal", ctx, context.Canceled, 1, "foretide probe: context canceled\n")
}

func TestUsageOfNothingIsNil(t *testing.T) {
	if err := usage(nil, errors.Join()); err != nil {
		t.Errorf("usage of nil errors = %v, want nil", err)
	}
}

func TestErrorInJSON(t *testing.T) {
	err := withHint(usage(errors.New("--a <b>: c"), errors.New("--d: e")), "Do this.")
	code, stdout, stderr := probe(context.Background(), func(*app) error { return err }, "probe", "--output", "json")
	if code != exitMistake || stdout != "" {
		t.Errorf("exit code %d and stdout %q, want %d and none", code, stdout, exitMistake)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(stderr), &got); err != nil {
		t.Fatalf("stderr %q: %v", stderr, err)
	}
	want := map[string]string{"error": "--a <b>: c\n--d: e", "hint": "Do this."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// TestEveryMistakeIsNamed: cobra stops at the first wrong flag, foretide does
// not.
func TestEveryMistakeIsNamed(t *testing.T) {
	f := func(line string, want string) {
		t.Helper()
		code, stdout, stderr := probe(context.Background(), func(*app) error {
			t.Errorf("%s: ran", line)
			return nil
		}, strings.Fields(line)...)
		if code != exitMistake || stdout != "" {
			t.Errorf("%s: exit code %d and stdout %q, want %d and none", line, code, stdout, exitMistake)
		}
		if diff := cmp.Diff(want, stderr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	const help = "Run 'foretide probe --help' for what it takes.\n"
	f("probe --budget soon", "foretide probe: --budget \"soon\": want a duration such as 90s, 10m or 2h\n"+help)
	f("probe --nope --seed x --output yaml -q --budget", `foretide probe:
  --nope: there is no such flag
  -q: there is no such flag
  --seed "x": want a whole number
  --output "yaml": want text or json
  flag needs an argument: --budget
`+help)
	f("probe --nope=1 --nope=2 -qrs", `foretide probe:
  --nope: there is no such flag
  -q: there is no such flag
  -r: there is no such flag
  -s: there is no such flag
`+help)
	f("probe -é", "foretide probe: -é: there is no such flag\n"+help)
	f("probe now and then", `foretide probe:
  argument "now": want flags only
  argument "and": want flags only
  argument "then": want flags only
`+help)
	f("prob --seed 3", "foretide: unknown command \"prob\"\nDid you mean 'foretide probe'?\n")
	f("--log-level warn prob", "foretide: unknown command \"prob\"\nDid you mean 'foretide probe'?\n")
	f("xyzzy", "foretide: unknown command \"xyzzy\"\nRun 'foretide --help' for the commands there are.\n")
	f("--nope", "foretide: --nope: there is no such flag\nRun 'foretide --help' for what it takes.\n")
	f("prob --output json", `{"error":"unknown command \"prob\"","hint":"Did you mean 'foretide probe'?"}`+"\n")
}

// FuzzArguments: whatever is typed, the answer is an exit code that fits what
// is said about it.
func FuzzArguments(f *testing.F) {
	for _, line := range []string{"--seed 3", "-é=1 -x= --", "--=", "- -- -", "--output=json -qv", "--nope=\xff --help"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		ran := false
		code, _, stderr := probe(context.Background(), func(*app) error { ran = true; return nil }, append([]string{"probe"}, strings.Fields(line)...)...)
		switch {
		case code == exitOK && stderr == "":
		case code == exitMistake && stderr != "" && !ran:
		default:
			t.Errorf("exit code %d, ran %t, stderr %q", code, ran, stderr)
		}
	})
}

func TestLogFlags(t *testing.T) {
	f := func(flags string, wantInfo, wantError string) {
		t.Helper()
		_, _, stderr := probe(context.Background(), func(a *app) error {
			a.log.Info("small", "n", 1)
			a.log.Error("big")
			return nil
		}, append(strings.Fields(flags), "probe")...)
		for _, want := range []string{wantInfo, wantError} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: log %q has no %q", flags, stderr, want)
			}
		}
		if wantInfo == "" && strings.Contains(stderr, "small") {
			t.Errorf("%s: log %q has what is below the level", flags, stderr)
		}
	}
	f("", "level=INFO msg=small n=1", "level=ERROR msg=big")
	f("--log-format json", `"msg":"small","n":1`, `"msg":"big"`)
	f("--log-level error", "", "msg=big")
}

func TestResult(t *testing.T) {
	body := func(a *app) error {
		return a.result(map[string]float64{"ratio": 0.5}, func(w io.Writer) error {
			return table(w, []string{"series", "ratio", "note"}, [][]string{{"shop/cart", "0.5", ""}, {"b", "10"}})
		})
	}
	_, text, _ := probe(context.Background(), body, "probe")
	if diff := cmp.Diff("series     ratio  note\nshop/cart  0.5\nb          10\n", text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	_, doc, _ := probe(context.Background(), body, "probe", "--output", "json")
	if diff := cmp.Diff("{\n  \"ratio\": 0.5\n}\n", doc); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestVersionOf(t *testing.T) {
	got := versionOf(&debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Version: "v0.1.0"},
		Deps: []*debug.Module{
			{Path: "github.com/spf13/cobra", Version: "v1.10.2"},
			{Path: "gorgonia.org/gorgonia", Version: "v0.9.18", Replace: &debug.Module{Path: "example.com/fork", Version: "v0.9.19"}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}, {Key: "vcs.modified", Value: "true"}},
	})
	want := version{
		Version: "v0.1.0", Revision: "abc", Time: "2026-01-01T00:00:00Z", Modified: true,
		Go: "go1.26.8", Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Modules: []module{{"example.com/fork", "v0.9.19"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
}
