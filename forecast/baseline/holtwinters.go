package baseline

import "math"

// smoother is additive smoothing with its parameters, each from 0 to 1.
type smoother struct {
	// alpha, beta and gamma are how fast level, trend and season follow.
	alpha, beta, gamma float64
	// level[t] and trend[t] are as known at step t; season[t] is the season's
	// part of step t as last learned at t, and of the first season beyond.
	level, trend, season []float64
	// period is the season's length in steps, 1 without one.
	period int
	// reach[lead] is how far a trend of 1 has moved the level after lead steps;
	// beyond its end it has come to rest.
	reach [256]float64
}

// damping is what a trend keeps of itself from one step to the next: half of
// it is gone after a quarter of an hour, as no rate climbs for ever.
const damping = 0.955

// searched is how many of the last steps the parameters are chosen on.
const searched = 4 * day

func fitHoltWinters(roots []float64) method {
	if len(roots) < 60 {
		return fitLast(roots)
	}
	period := 1
	if len(roots) >= 2*day {
		period = day
	}
	s := newSmoother(period, len(roots))
	best, least := s, math.Inf(1)
	recent := roots[max(0, len(roots)-searched):]
	for _, alpha := range []float64{0.05, 0.15, 0.4, 0.8} {
		for _, beta := range []float64{0, 0.02} {
			for _, gamma := range []float64{0.1, 0.3, 0.6} {
				if period == 1 && gamma > 0.1 {
					continue
				}
				s.alpha, s.beta, s.gamma = alpha, beta, gamma
				s.run(recent)
				if loss := misses(recent, s.middle, period); loss < least {
					best, least = s, loss
				}
			}
		}
	}
	best.run(roots)
	from := 30
	if period > 1 {
		// The first season has no forecast of its own.
		from = period + period/4
	}
	return method{middle: best.middle, from: min(from, len(roots)-1)}
}

// newSmoother has room for n steps.
func newSmoother(period, n int) smoother {
	s := smoother{period: period, level: make([]float64, n), trend: make([]float64, n), season: make([]float64, n)}
	for lead, share := 1, 1.0; lead < len(s.reach); lead++ {
		share *= damping
		s.reach[lead] = s.reach[lead-1] + share
	}
	return s
}

// run smooths values; over what is missing the level follows the trend and the
// season stays.
func (s *smoother) run(values []float64) {
	clear(s.season)
	level, trend := s.begin(values), 0.0
	for t, y := range values {
		season := s.season[t]
		if t >= s.period && s.period > 1 {
			season = s.season[t-s.period]
		}
		before := level
		level += damping * trend
		trend *= damping
		if !math.IsNaN(y) {
			err := y - level - season
			level += s.alpha * err
			trend += s.beta * (level - before - trend)
			if s.period > 1 {
				season += s.gamma * (1 - s.alpha) * err
			}
		}
		s.level[t], s.trend[t], s.season[t] = level, trend, season
	}
}

// begin gives the first level, and the season of the first period its start:
// the mean of the first period and what its steps differ from it by. It reads
// that period ahead, so no error is learned from there.
func (s *smoother) begin(values []float64) float64 {
	span := max(s.period, min(10, len(values)))
	sum, n := 0.0, 0
	for _, v := range values[:span] {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return 0
	}
	mean := sum / float64(n)
	if s.period > 1 {
		for t, v := range values[:s.period] {
			if math.IsNaN(v) {
				v = values[t+s.period]
			}
			if !math.IsNaN(v) {
				s.season[t] = v - mean
			}
		}
	}
	return mean
}

func (s *smoother) middle(t, lead int) float64 {
	v := s.level[t] + s.trend[t]*s.reach[min(lead, len(s.reach)-1)]
	if s.period > 1 {
		i := t + lead - (lead+s.period-1)/s.period*s.period
		if i < 0 {
			// Within the first period its start is all there is.
			i += s.period
		}
		v += s.season[i]
	}
	return v
}
