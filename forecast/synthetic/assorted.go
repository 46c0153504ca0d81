package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/foretide/foretide/forecast"
)

// Assorted is n workloads that have nothing to do with each other, each of a
// random kind: any mixture of rhythms of day and week, from flat to steep;
// steady, wandering or bursty; with batch jobs on the clock, drifting, open for
// some hours only, busy or mostly silent, new or old. Their busy rates spread
// evenly over the orders of magnitude from 0.01 to 10 million requests a
// minute. Records begin at midnight UTC of the day of opening; what happens
// once, a late appearance or a lasting change of level, happens within so many
// days after it.
func Assorted(seed uint64, n int, opening time.Time, days int) *Mesh {
	opening = opening.UTC().Truncate(24 * time.Hour)
	m := &Mesh{seed: seed, opening: opening}
	for i := range n {
		r := rand.New(rand.NewPCG(hash(seed, uint64(i)), 9))
		s := service{workload: forecast.Workload{Namespace: "assorted", Name: fmt.Sprintf("w%04d", i)}}
		s.own = []demand{kind(r, opening, days)}
		if r.Float64() < 0.15 {
			s.appears = opening.Add(time.Duration(r.Float64()*float64(days)*24*60) * time.Minute)
		}
		m.services = append(m.services, s)
	}
	return m
}

// kind draws one workload's demand.
func kind(r *rand.Rand, opening time.Time, days int) demand {
	between := func(a, b float64) float64 { return a + (b-a)*r.Float64() }
	// even spreads over orders of magnitude.
	even := func(a, b float64) float64 { return a * math.Exp(r.Float64()*math.Log(b/a)) }
	chance := func(p float64) bool { return r.Float64() < p }

	d := demand{scale: even(0.01, 1e7) / 60, floor: even(0.02, 1)}
	if chance(0.85) {
		for range 1 + r.IntN(3) {
			d.bumps = append(d.bumps, bump{between(0, 24), even(0.4, 5), between(0.1, 1)})
		}
	}
	if chance(0.6) {
		weekend := between(0.2, 1.5)
		for i := range d.week {
			d.week[i] = between(0.9, 1.1)
		}
		d.week[0] *= weekend
		d.week[6] *= weekend * between(0.85, 1.15)
	}
	rough := even(0.15, 2.5)
	for _, o := range []octave{{time.Minute, 0.03}, {5 * time.Minute, 0.05}, {25 * time.Minute, 0.06}, {2 * time.Hour, 0.07}, {9 * time.Hour, 0.08}, {40 * time.Hour, 0.08}} {
		d.noise = append(d.noise, octave{o.period, o.sigma * rough * even(0.3, 2)})
	}
	if chance(0.2) {
		d.drift, d.drifts = between(-0.06, 0.06), opening
	}
	if chance(0.2) {
		periods := []time.Duration{10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour}
		period := periods[r.IntN(len(periods))]
		d.batch = batch{
			period: period, height: even(0.2, 8),
			length: time.Duration(min(even(1, 30), period.Minutes()/2) * float64(time.Minute)),
		}
	}
	if chance(0.12) {
		d.from, d.to = between(0, 24), between(0, 24)
	}
	if chance(0.35) {
		d.bursts = burst{
			perDay: even(0.3, 60), height: even(0.2, 6),
			fade: time.Duration(even(1, 40) * float64(time.Minute)),
		}
	}
	if chance(0.15) {
		// A lasting change of level, as a release or a new customer brings.
		level := even(0.25, 4)
		d.events = []event{{opening.Add(time.Duration(between(0, float64(days)*24) * float64(time.Hour))), func(m float64) float64 {
			return 1 + (level-1)*ramp(m/10)
		}}}
	}
	return d
}
