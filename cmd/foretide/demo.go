package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/synthetic"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
)

// demo is the subcommand: flags, and what they lead to.
type demo struct {
	*app
	length     time.Duration // how long the play takes, 0 for ever
	budget     time.Duration
	seed       uint64
	http, grpc string
	store      string
	open       bool

	mesh  *synthetic.Mesh
	first time.Time // the first instant played
}

const (
	demoDay = 24 * time.Hour
	// demoRecords is how many days of traffic there are to learn from.
	demoRecords = 14
	// demoPace is how long a day takes to play where nobody says how long.
	demoPace = 5 * time.Minute
)

func newDemoCommand(a *app) *cobra.Command {
	d := &demo{app: a}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Train on a made-up shop's traffic and play its next day on a fast clock",
		Long: "demo makes two weeks of traffic of a shop of twelve services, trains the network\n" +
			"on it, serves KEDA's gRPC and the page, and plays the days that follow on a fast\n" +
			"clock: at every 15 simulated seconds it asks the gRPC server as KEDA would, and\n" +
			"moves one HPA by the answers and another one by a reactive metric. The traffic is\n" +
			"made up; everything else is what serves a real mesh. Nothing but Go is needed.",
		Example: "  foretide demo\n  foretide demo --for 60s --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := d.check(); err != nil {
				return err
			}
			return d.run(c.Context())
		},
	}
	fs := c.Flags()
	fs.DurationVar(&d.length, "for", 0, "play one day in this time and end; without it days follow each other until Ctrl-C")
	fs.DurationVar(&d.budget, "budget", time.Minute, "how long training may take")
	fs.Uint64Var(&d.seed, "seed", 1, "seed of the traffic and of training")
	fs.StringVar(&d.http, "http", "127.0.0.1:8080", "where to serve the page; another port if this one is taken")
	fs.StringVar(&d.grpc, "grpc", "127.0.0.1:9090", "where to serve KEDA; another port if this one is taken")
	fs.StringVar(&d.store, "store", "", "folder to keep the model in, or a store's URL; without it the model is gone afterwards")
	fs.BoolVar(&d.open, "open", false, "open the page in a browser")
	return c
}

func (d *demo) check() error {
	var errs []error
	if d.length < 0 {
		errs = append(errs, fmt.Errorf("--for %v: want more than 0s", d.length))
	}
	if d.budget < time.Second {
		errs = append(errs, fmt.Errorf("--budget %v: want 1s or more", d.budget))
	}
	for _, f := range []struct{ name, value string }{{"http", d.http}, {"grpc", d.grpc}} {
		if _, _, err := net.SplitHostPort(f.value); err != nil {
			errs = append(errs, fmt.Errorf("--%s %q: want HOST:PORT", f.name, f.value))
		}
	}
	return usage(errs...)
}

// say tells a person what happens. It goes beside the result, which is the
// summary.
func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.stderr, format+"\n", args...) }

func (d *demo) run(ctx context.Context) error {
	d.say("A made-up shop; the network, the server that KEDA asks and the page are real.\n")

	opening := time.Date(2026, time.March, 3, 0, 0, 0, 0, time.UTC)
	d.first = opening.Add(demoRecords * demoDay)
	d.mesh = synthetic.Shop(d.seed, opening)
	records := d.mesh.History(opening, d.first)
	known := 0
	for _, h := range records {
		known += h.Known()
	}
	d.say("1. Traffic: %d services and %d calls between them, %s to %s, %d known minutes.",
		len(records), len(d.mesh.Edges(d.first)), opening.Format("2 January"), d.first.Add(-demoDay).Format("2 January"), known)

	store, err := d.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	d.say("2. Training one network for all of them, from the one that Foretide brings, in about %s:", plain(d.budget))
	if err := d.train(ctx, store.Registry, records); err != nil {
		return err
	}

	clock := &fastClock{}
	clock.set(d.first)
	models := scaler.NewWatcher(modelStore{store.Registry}, d.prior(""), nil)
	if err := models.Check(ctx, d.first); err != nil {
		d.say("   No trained model serves (%v), so the prior does.", err)
	}
	metrics := prometheus.NewRegistry()
	loop, err := scaler.NewLoop(scaler.Options{
		Open:     func(scaler.LoadSpec) (scaler.Source, error) { return meshSource{d.mesh}, nil },
		Model:    models.Model,
		Baseline: baseline.SeasonalNaiveDay(), Calibrate: true,
		Timeout: time.Minute, // of real time: a step here never waits for a network
		Now:     clock.now, Log: d.log, Registerer: metrics,
	})
	if err != nil {
		return err
	}
	p := &player{mesh: d.mesh, services: demoServices(records), loop: loop, clock: clock, out: d.stderr}
	s, err := d.serve(ctx, p, loop, metrics, models.Model().Status.Version)
	if err != nil {
		return err
	}
	return d.result(s, s.text)
}

// serve serves gRPC and the page while p plays, and gives what was played.
func (d *demo) serve(ctx context.Context, p *player, loop *scaler.Loop, metrics *prometheus.Registry, model string) (demoSummary, error) {
	keda, err := d.listen("KEDA's gRPC", d.grpc)
	if err != nil {
		return demoSummary{}, err
	}
	page, err := d.listen("the page", d.http)
	if err != nil {
		_ = keda.Close() // nothing was served on it
		return demoSummary{}, err
	}
	// Ctrl-C ends the play first and the servers after it, so that the last
	// tick still gets its answers.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, failing := errgroup.WithContext(running)
	g.Go(func() error {
		return scaler.NewServer(loop, nil).Serve(failing, keda, scaler.ServeOptions{Log: d.log, Registerer: metrics})
	})
	g.Go(func() error {
		return servePage(failing, page, inspect.Handler(inspect.Config{
			Source: loop, Metrics: metrics, Logger: d.log, Clock: p.clock.now, Ledger: p.score, Version: "demo",
		}))
	})
	// The page looks once a second, as hours pass in what it takes by default.
	url := fmt.Sprintf("http://%s/?refresh=1", page.Addr())
	d.say("3. Serving\n   the page     %s\n   KEDA's gRPC  %s", url, keda.Addr())
	var s demoSummary
	g.Go(func() error {
		defer stop()
		playing, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(failing, cancel)() // no server, no play
		conn, err := grpc.NewClient(keda.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return fmt.Errorf("connect to gRPC on %s: %w", keda.Addr(), err)
		}
		defer conn.Close()
		p.keda = pb.NewExternalScalerClient(conn)
		if err := p.prepare(playing, d.first); err != nil {
			return err
		}
		if d.open {
			d.browse(url)
		}
		until, err := d.play(playing, p)
		if err != nil {
			return err
		}
		s, err = p.summary(d.first, until, model)
		return err
	})
	err = g.Wait()
	return s, err
}

// play plays one day in d.length, or day after day until ctx ends.
func (d *demo) play(ctx context.Context, p *player) (time.Time, error) {
	long := demoPace
	if d.length > 0 {
		long = d.length
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.length)
		defer cancel()
		d.say("4. Playing %s in %s.", d.first.Format("Monday, 2 January"), plain(d.length))
	} else {
		d.say("4. Playing, a day in %s. Ctrl-C ends it with a summary.", plain(demoPace))
	}
	// A little faster than asked for, so that a hiccup does not cost the last
	// minutes of the day.
	pace := long * 98 / 100 / time.Duration(demoDay/synthetic.Tick)
	from := d.first
	for {
		if d.length == 0 {
			d.say("   %s", from.Format("Monday, 2 January"))
		}
		until, err := p.play(ctx, from, from.Add(demoDay), pace)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			d.say("   The time is up before the day is: this machine is busy, or slow.")
		}
		if err != nil || ctx.Err() != nil || d.length > 0 {
			return until, err
		}
		from = until
	}
}

// plain is a duration as a person writes it: 5m and not 5m0s.
func plain(d time.Duration) string {
	s := d.String()
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	return s
}

// listen listens on address, or on a free port of its host if it is taken.
func (d *demo) listen(what, address string) (net.Listener, error) {
	lis, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(address) // checked as a flag
		if lis, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			d.say("   %s is taken, so %s is on %s.", address, what, lis.Addr())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return lis, nil
}

// browse opens a URL in the desktop's browser. It is a courtesy: where it
// fails, the URL is on the screen already.
func (d *demo) browse(url string) {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "darwin":
		command[0] = "open"
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	}
	c := exec.Command(command[0], command[1:]...)
	if err := c.Start(); err != nil {
		d.say("   No browser was opened: %v.", err)
		return
	}
	go func() { _ = c.Wait() }()
}

// servePage serves h on lis until ctx ends.
func servePage(ctx context.Context, lis net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(lis) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the page on %s: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // a browser holds a connection; it does not hold us
	}
	<-failed
	return nil
}
