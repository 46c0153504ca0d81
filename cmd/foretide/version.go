package main

import (
	"cmp"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
)

// version is what the binary was made of, from what the Go tool wrote into it.
type version struct {
	Version  string `json:"version"`            // a release, or what the Go tool made of the commit
	Revision string `json:"revision,omitempty"` // commit
	Time     string `json:"time,omitempty"`     // of the commit
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
	// Modules are those whose version matters for what Foretide computes or
	// speaks, as far as they are built in.
	Modules []module `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what it was built from",
		Example: "  foretide version\n  foretide version --output json",
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{GoVersion: runtime.Version()}
			}
			v := versionOf(info)
			return a.result(v, v.text)
		},
	}
}

func versionOf(info *debug.BuildInfo) version {
	v := version{
		Version:  cmp.Or(info.Main.Version, "(devel)"),
		Go:       info.GoVersion,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Modules:  []module{},
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	notable := []string{
		"github.com/kedacore/keda/v2",
		"github.com/prometheus/client_golang",
		"gocloud.dev",
		"google.golang.org/grpc",
		"gorgonia.org/gorgonia",
	}
	for _, d := range info.Deps {
		if slices.Contains(notable, d.Path) {
			if d.Replace != nil {
				d = d.Replace
			}
			v.Modules = append(v.Modules, module{d.Path, d.Version})
		}
	}
	return v
}

func (v version) text(w io.Writer) error {
	rows := [][]string{{"go", v.Go + " " + v.Platform}}
	if v.Revision != "" {
		commit := v.Revision
		if v.Modified {
			commit += " with changes"
		}
		rows = append(rows, []string{"commit", commit}, []string{"of", v.Time})
	}
	for _, m := range v.Modules {
		rows = append(rows, []string{m.Path, m.Version})
	}
	return table(w, []string{"foretide", v.Version}, rows)
}
