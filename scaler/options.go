package scaler

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretide/foretide/forecast"
)

// Options are what a [Loop] is made of.
type Options struct {
	// Open gives the sources; required. Preset is the name of the default one,
	// if it is a preset: a trigger that names it shares it.
	Open   OpenSource
	Preset string
	// Model is the network in use; nil means none, ever. It must answer from
	// memory.
	Model func() Model
	// Baseline forecasts where the network cannot; nil is legal.
	Baseline forecast.Forecaster
	// Calibrate weighs and corrects forecasts by how earlier ones of the same
	// workload did, see forecast/calibrate.
	Calibrate bool
	// State is the directory in which calibrations are kept from one start to the
	// next, made if it is missing; README.md describes the file. Empty keeps
	// nothing: they are learned again from history. Without Calibrate it counts
	// for nothing. Two loops should not share one.
	State string
	// Interval is the distance of two steps: a divisor of a minute, 15 seconds
	// if zero. Timeout is how long a step may read, two thirds of Interval if
	// zero.
	Interval, Timeout time.Duration
	// MaxWorkloads bounds the workloads that are looked at though no trigger
	// names them; 2000 if zero. Each takes about 130 kB.
	MaxWorkloads int
	// TargetPerPod replaces a trigger's target per pod by one that was learned,
	// above 0; nil leaves it. It must answer from memory.
	TargetPerPod func(Trigger) float64
	// Now is the clock that [Loop.Run] and the server go by; time.Now if nil.
	Now func() time.Time
	// Log and Registerer may be nil.
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// complete puts the defaults in.
func (o Options) complete() (Options, error) {
	o.Interval = cmp.Or(o.Interval, 15*time.Second)
	o.Timeout = cmp.Or(o.Timeout, o.Interval*2/3)
	o.MaxWorkloads = cmp.Or(o.MaxWorkloads, 2000)
	if o.Model == nil {
		o.Model = func() Model { return Model{} }
	}
	if o.TargetPerPod == nil {
		o.TargetPerPod = func(t Trigger) float64 { return t.Policy.TargetPerPod }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Interval < time.Second || forecast.Step%o.Interval != 0 {
		return o, fmt.Errorf("interval %v: want a divisor of a minute, 1s or more", o.Interval)
	}
	return o, nil
}
