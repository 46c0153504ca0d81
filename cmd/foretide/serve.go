package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/prom"
	"github.com/foretide/foretide/forecast/registry"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
)

// serveFlags configure foretide serve.
type serveFlags struct {
	prometheus prometheusFlags
	// store is the URL of the models, empty to serve with the prior only.
	store      string
	grpc, http string // addresses
	tls        scaler.TLSFiles
	interval   time.Duration // distance of two steps
	modelEvery time.Duration // distance of two looks at the store
	drain      time.Duration // see scaler.ServeOptions
	workloads  int           // bound of the workloads that no trigger names
	calibrate  bool
	state      string // directory that calibrations are kept in, empty to keep none
}

func newServeCommand(a *app) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer KEDA, and show what is forecast",
		Long: "Serve reads the load of every workload from Prometheus, forecasts it and answers KEDA's\n" +
			"external scaler calls over gRPC. The page, the API, /metrics, /healthz and /readyz are on HTTP.\n\n" +
			"Without a store, or while the store has no model, the prior forecasts: a small network that is part\n" +
			"of the program. Where no network can, a baseline does.\n" +
			"What is not known is answered with an error, at which the HPA holds, and never with zero.\n\n" +
			"What is learned of each workload's forecasts is learned again from history after a start, some\n" +
			"twenty minutes for a thousand workloads. With --state it is saved every five minutes and at the\n" +
			"end, and goes on at once; an emptyDir is enough for the restart of a container.",
		Example: "  foretide serve --prometheus http://prometheus:9090 --store file:///var/lib/foretide\n" +
			"  foretide serve --prometheus https://mimir/prometheus --prometheus-header X-Scope-OrgID=shop \\\n" +
			"    --store 's3://models?region=eu-west-1' --state /var/lib/foretide \\\n" +
			"    --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return f.serve(c.Context(), a)
		},
	}
	fs := c.Flags()
	f.prometheus.register(fs)
	fs.StringVar(&f.store, "store", "", "URL of the store with the models, such as file:///var/lib/foretide; without it the prior forecasts")
	fs.StringVar(&f.grpc, "grpc", ":9090", "address to answer KEDA on")
	fs.StringVar(&f.http, "http", ":8080", "address of the page, the API, metrics and probes")
	fs.StringVar(&f.tls.Cert, "tls-cert", "", "file with the certificate of the gRPC server; read again when it changes")
	fs.StringVar(&f.tls.Key, "tls-key", "", "file with its key")
	fs.StringVar(&f.tls.ClientCA, "tls-client-ca", "", "file with the authority that KEDA's certificate must come from; without it anybody who reaches the port is answered")
	fs.DurationVar(&f.interval, "interval", 15*time.Second, "distance of two steps of the loop: a divisor of a minute")
	fs.DurationVar(&f.modelEvery, "model-interval", 30*time.Second, "distance of two looks for a newer model")
	fs.DurationVar(&f.drain, "drain", 5*time.Second, "how long to go on answering after a signal to stop")
	fs.IntVar(&f.workloads, "max-workloads", 2000, "workloads to forecast that no trigger names, at most; each takes about 130 kB")
	fs.BoolVar(&f.calibrate, "calibrate", true, "weigh and correct the forecasts of each workload by how earlier ones did")
	fs.StringVar(&f.state, "state", "", "directory to keep what --calibrate has learned in from one start to the next, one for each replica; without it, it is learned again from history")
	return c
}

// check gives all that is wrong with the flags.
func (f *serveFlags) check(c *cobra.Command) error {
	errs := []error{f.prometheus.check(c.Flags())}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, flag := range []struct{ name, address string }{{"grpc", f.grpc}, {"http", f.http}} {
		if _, err := net.ResolveTCPAddr("tcp", flag.address); err != nil || flag.address == "" {
			bad("--%s %q: want an address such as :9090 or 127.0.0.1:9090", flag.name, flag.address)
		}
	}
	if (f.tls.Cert == "") != (f.tls.Key == "") {
		bad("--tls-cert %q and --tls-key %q: want both or neither", f.tls.Cert, f.tls.Key)
	} else if f.tls != (scaler.TLSFiles{}) {
		if f.tls.Cert == "" {
			bad("--tls-client-ca %q: want it with --tls-cert and --tls-key only", f.tls.ClientCA)
		} else if _, err := f.tls.Config(nil); err != nil {
			errs = append(errs, parts(err)...)
		}
	}
	if f.interval < time.Second || forecast.Step%f.interval != 0 {
		bad("--interval %v: want a divisor of a minute, 1s or more", f.interval)
	}
	if f.modelEvery < time.Second {
		bad("--model-interval %v: want 1s or more", f.modelEvery)
	}
	if f.drain < 0 {
		bad("--drain %v: want 0s or more", f.drain)
	}
	if f.state != "" && !f.calibrate {
		bad("--state %q: want it with --calibrate only", f.state)
	}
	if f.workloads < 1 {
		bad("--max-workloads %d: want 1 or more", f.workloads)
	}
	return usage(parts(errors.Join(errs...))...)
}

// serve runs until ctx ends and then stops in two phases, so that KEDA is
// answered, from fresh decisions, up to the last call:
//
//  1. gRPC health and /readyz say that this replica leaves; calls are still
//     answered for the drain time
//  2. streams end, clients are told to go away, calls under way are finished
//  3. the loop and the watcher of models stop; what was learned is saved
//  4. HTTP stops last, so that probes and metrics have seen all of it
func (f *serveFlags) serve(ctx context.Context, a *app) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	client, err := f.prometheus.client(a.log, reg)
	if err != nil {
		return fmt.Errorf("make Prometheus client: %w", err)
	}
	defer client.Close()

	models, closeStore, err := f.watcher(ctx, a)
	if err != nil {
		return err
	}
	defer closeStore()
	model := a.prior("no model store is given, see --store")
	newest := func() scaler.Model { return model }
	if models != nil {
		newest = models.Model
	}
	loop, err := scaler.NewLoop(scaler.Options{
		Open:         f.open(client),
		Preset:       f.prometheus.name(),
		Model:        newest,
		Baseline:     baseline.SeasonalNaiveDay(),
		Calibrate:    f.calibrate,
		State:        f.state,
		Interval:     f.interval,
		MaxWorkloads: f.workloads,
		Now:          a.now,
		Log:          a.log,
		Registerer:   reg,
	})
	if err != nil {
		return fmt.Errorf("make loop: %w", err)
	}
	server := scaler.NewServer(loop, prom.Presets())
	ready := func() error {
		if ctx.Err() != nil {
			return errors.New("this replica is stopping")
		}
		return server.Ready()
	}
	grpcListener, err := net.Listen("tcp", f.grpc)
	if err != nil {
		return fmt.Errorf("listen for gRPC: %w", err)
	}
	httpListener, err := net.Listen("tcp", f.http)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for HTTP: %w", err), grpcListener.Close())
	}
	page := &http.Server{
		Handler: inspect.Handler(inspect.Config{
			Source: loop, Metrics: reg, Logger: a.log, Clock: a.now, Version: programVersion(), Ready: ready,
		}),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	if f.store == "" {
		a.log.Warn("no model store is given; the prior forecasts", "version", model.Status.Version)
	}
	a.log.Info("serving", "grpc", grpcListener.Addr().String(), "http", httpListener.Addr().String(),
		"tls", f.tls.Cert != "", "clients", cmp.Or(f.tls.ClientCA, "anybody"))

	// front is what a signal ends, back what answers need as long as there are
	// any. Whatever fails ends both.
	front, leave := context.WithCancel(ctx)
	defer leave()
	back, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var behind, web errgroup.Group
	behind.Go(func() error { return loop.Run(back) })
	if models != nil {
		behind.Go(func() error { return models.Run(back, f.modelEvery, a.now) })
	}
	web.Go(func() error {
		defer leave()
		if err := page.Serve(httpListener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		return nil
	})
	err = server.Serve(front, grpcListener, scaler.ServeOptions{TLS: f.tls, Drain: f.drain, Log: a.log, Registerer: reg}) // 1, 2
	stop()
	err = errors.Join(err, behind.Wait()) // 3
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if page.Shutdown(closing) != nil {
		_ = page.Close() // a reader that does not end does not keep us
	}
	return errors.Join(err, web.Wait()) // 4
}

// watcher watches the store; it is nil without one.
func (f *serveFlags) watcher(ctx context.Context, a *app) (*scaler.Watcher, func(), error) {
	if f.store == "" {
		return nil, func() {}, nil
	}
	r, err := registry.Open(ctx, f.store)
	if err != nil {
		return nil, nil, usage(fmt.Errorf("--store %q: %w", f.store, err))
	}
	return scaler.NewWatcher(modelStore{r}, a.prior(""), a.log), func() { _ = r.Close() }, nil
}

// prior is the network that the binary brings, in use for as long as there is no
// trained one, and why there is none.
func (a *app) prior(why string) scaler.Model {
	m, err := prior.Load()
	if err != nil {
		a.log.Error("the prior cannot be used", "err", err)
		return scaler.Prior(nil, "", time.Time{}, why)
	}
	return scaler.Prior(m, prior.Version(), a.now(), why)
}

// open gives the source that a trigger names, or the default one.
func (f *serveFlags) open(c *prom.Client) scaler.OpenSource {
	return func(spec scaler.LoadSpec) (scaler.Source, error) {
		switch {
		case spec.Query != "":
			return c.Query(spec.Workload, spec.Query)
		case spec.Preset != "":
			return c.Preset(spec.Preset)
		}
		return f.prometheus.source(c)
	}
}

// modelStore is the registry as the watcher sees it.
type modelStore struct{ *registry.Registry }

// Champion is as [scaler.Models] has it.
func (s modelStore) Champion(ctx context.Context) (string, error) {
	p, err := s.Registry.Champion(ctx)
	if errors.Is(err, registry.ErrNoChampion) {
		err = scaler.ErrNoModel
	}
	return p.Version, err
}

// Load is as [scaler.Models] has it.
func (s modelStore) Load(ctx context.Context, version string) (forecast.Forecaster, time.Time, error) {
	manifest, weights, err := s.Get(ctx, version)
	if err != nil {
		return nil, time.Time{}, err
	}
	m, err := lstm.Decode(bytes.NewReader(weights))
	if err != nil {
		return nil, time.Time{}, err
	}
	return m, manifest.Created, nil
}

// programVersion is the release, or what the Go tool made of the commit.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return strings.TrimSpace(versionOf(info).Version)
}
