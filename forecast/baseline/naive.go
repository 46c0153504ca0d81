package baseline

import "math"

func fitLast(roots []float64) method {
	last := filled(roots)
	return method{middle: func(t, _ int) float64 { return last[t] }}
}

// fitSeasonal looks back by whole seasons, then by whole days, then to the
// newest known value.
func fitSeasonal(roots []float64, season int) method {
	last := filled(roots)
	if season > day && len(roots) < season+day {
		season = day
	}
	before := func(t, lead, period int) float64 {
		for i := t + lead - (lead+period-1)/period*period; i >= 0; i -= period {
			if !math.IsNaN(roots[i]) {
				return roots[i]
			}
		}
		return math.NaN()
	}
	return method{
		from: season - 1,
		middle: func(t, lead int) float64 {
			v := before(t, lead, season)
			if math.IsNaN(v) && season > day {
				v = before(t, lead, day)
			}
			if math.IsNaN(v) {
				v = last[t]
			}
			return v
		},
	}
}

// filled repeats the last known value over what is missing; the first is known.
func filled(values []float64) []float64 {
	out := make([]float64, len(values))
	last := values[0]
	for i, v := range values {
		if !math.IsNaN(v) {
			last = v
		}
		out[i] = last
	}
	return out
}
