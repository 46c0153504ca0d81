package lstm

import "math"

// schedule is the learning rate over a fit: it rises quickly, stays, and comes
// down over the last part. The part in which it stays can end early, when
// nothing is gained any more, and what was learned is kept only by coming down
// (the warm-up, stable and decay schedule of Hu et al., 2024).
type schedule struct {
	steps int // planned in all
	top   float64
	// down is the step before the rate begins to come down, and downAt the
	// share of the budget that was used then.
	down   int
	downAt float64
}

const (
	topRate   = 2e-3
	lastRate  = 2e-5
	goOnShare = 0.25 // of the top rate, where a model is gone on from
	warmup    = 100  // steps to the full rate
	stable    = 0.6  // share of the steps before the rate comes down
)

func newSchedule(steps int, goOn bool) *schedule {
	s := &schedule{steps: steps, top: topRate, down: int(stable * float64(steps)), downAt: stable}
	if goOn {
		s.top *= goOnShare
	}
	return s
}

// next is the rate of a step that begins when the share used of the budget is
// used. over says that the step is the last; slow, that the clock and not the
// plan has decided: the budget would run out before the plan is done.
func (s *schedule) next(step int, used float64) (rate float64, over, slow bool) {
	if step <= s.down && used >= stable {
		s.down, s.downAt, slow = step-1, used, true
	}
	rise := min(1, float64(step)/min(warmup, float64(s.steps)/4))
	if step <= s.down {
		return s.top * rise, false, slow
	}
	done := float64(step-s.down) / float64(max(s.steps-s.down, 1))
	if byClock := (used - s.downAt) / (1 - s.downAt); byClock > done {
		done, slow = byClock, true
	}
	rate = lastRate + (s.top-lastRate)*(1+math.Cos(math.Pi*min(done, 1)))/2
	return rate * rise, done >= 1, slow
}

// finish brings the rate down from here on, over as many steps as belong to
// those that were taken. It tells whether that changes anything.
func (s *schedule) finish(step int) bool {
	if step >= s.down {
		return false
	}
	s.down = step
	s.steps = int(math.Ceil(float64(step) / stable))
	return true
}
