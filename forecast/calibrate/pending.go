package calibrate

import (
	"math"
	"slices"

	"github.com/foretide/foretide/forecast"
)

// How many forecasts are remembered for verification. Those from origins close
// to each other say nearly the same of a far minute, and their errors are
// nearly the same, so that for each lead a few at a time are enough. A loop
// that forecasts each minute then also learns as much as a backtest that
// forecasts every five.
const (
	// apart is the least distance of two remembered origins, in steps; for far
	// leads it is a multiple.
	apart = 5
	// atOnce is how many forecasts of one lead wait at a time, at most.
	atOnce = 6
)

// target is a lead that is verified.
type target struct {
	bucket, lead int
	peak         bool
	// every is the distance of remembered origins in steps; the slots of the
	// target are those from first on.
	every, first, slots int
}

// pending holds forecasts whose time is to come.
type pending struct {
	experts int
	targets []target
	// latest is the newest origin that was remembered for each target.
	latest []int64
	// origins are the Unix times of the slots, never for an empty one, and said
	// what each expert said and, last, what was made of it: NumLevels numbers
	// each. An expert that said nothing has NaN.
	origins []int64
	said    []float32
}

func newPending(experts int) pending {
	p := pending{experts: experts}
	n := 0
	for i, b := range Buckets() {
		for _, lead := range b.leads {
			t := target{bucket: i, lead: lead, peak: b.Peak, first: n}
			t.every = apart * ((lead + apart*atOnce - 1) / (apart * atOnce))
			t.slots = (lead + t.every - 1) / t.every
			n += t.slots
			p.targets = append(p.targets, t)
		}
	}
	p.latest = slices.Repeat([]int64{never}, len(p.targets))
	p.origins = slices.Repeat([]int64{never}, n)
	p.said = make([]float32, n*p.size())
	return p
}

// size is how many numbers a slot holds.
func (p *pending) size() int { return (p.experts + 1) * forecast.NumLevels }

func (p *pending) slot(i int) []float32 { return p.said[i*p.size() : (i+1)*p.size()] }

// due calls verify for what was said of now, and drops it and what is overdue.
func (p *pending) due(now int64, verify func(t target, said []float32)) {
	for _, t := range p.targets {
		for i := t.first; i < t.first+t.slots; i++ {
			if p.origins[i] == never {
				continue
			}
			at := p.origins[i] + int64(t.lead)*step
			if at > now {
				continue
			}
			p.origins[i] = never
			if at == now {
				verify(t, p.slot(i))
			}
		}
	}
}

// open tells whether a forecast from origin is far enough from the newest one
// remembered for target n.
func (p *pending) open(n int, origin int64) bool {
	return p.latest[n] == never || origin-p.latest[n] >= int64(p.targets[n].every)*step
}

// remember keeps what is to be verified of forecasts and of the one made of
// them.
func (p *pending) remember(origin int64, experts []forecast.Forecast, made forecast.Forecast) {
	for n, t := range p.targets {
		if !p.open(n, origin) {
			continue
		}
		free := slices.Index(p.origins[t.first:t.first+t.slots], never)
		if free < 0 {
			continue
		}
		free += t.first
		p.latest[n] = origin
		p.origins[free] = origin
		said := p.slot(free)
		for k := range p.experts + 1 {
			f := &made
			if k < p.experts {
				f = &experts[k]
			}
			to := said[k*forecast.NumLevels : (k+1)*forecast.NumLevels]
			switch {
			case f.Steps == nil:
				to[0] = float32(math.NaN())
			case t.peak:
				put(to, &f.Peaks[t.lead-1])
			default:
				put(to, &f.Steps[t.lead-1])
			}
		}
	}
}

func put(to []float32, q *forecast.Quantiles) {
	for j, v := range q {
		to[j] = float32(min(v, math.MaxFloat32))
	}
}
