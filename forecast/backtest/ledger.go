package backtest

import (
	"time"

	"github.com/foretide/foretide/forecast"
)

// Ledger counts what a way of scaling costs and where it falls short. Set
// PerPod, then call Tick; it is not safe for concurrent use.
type Ledger struct {
	// PerPod is the most that one pod can serve, in requests per second.
	PerPod float64
	// Minutes is how many minutes have begun, from the first tick on, and Short
	// how many of them had a tick with more load than ready pods could serve.
	Minutes, Short int
	// PodHours is what was paid: each pod from its creation.
	PodHours float64
	// Offered is how many requests came, and Unserved how many of them were
	// more than the ready pods could serve.
	Offered, Unserved float64
	// Events is how often the number of pods changed.
	Events int

	pods   int       // as of the last tick
	minute time.Time // when the minute under way began
	short  bool      // it is short already
}

// Tick takes in the [SyncPeriod] from now on: its rate in requests per second,
// the pods there are and those that serve. Instants must ascend.
func (l *Ledger) Tick(now time.Time, rate float64, pods, ready int) {
	switch {
	case l.Minutes == 0:
		l.minute = now
		l.Minutes, l.short = 1, false
		l.pods = pods
	case now.Sub(l.minute) >= time.Minute:
		l.minute = l.minute.Add(now.Sub(l.minute).Truncate(time.Minute))
		l.Minutes++
		l.short = false
	}
	if pods != l.pods {
		l.pods = pods
		l.Events++
	}
	seconds := SyncPeriod.Seconds()
	capacity := float64(ready) * l.PerPod
	l.PodHours += float64(pods) * SyncPeriod.Hours()
	l.Offered += rate * seconds
	l.Unserved += max(rate-capacity, 0) * seconds
	if rate > capacity*(1+1e-9) && !l.short {
		l.short = true
		l.Short++
	}
}

// Reactive is what a scaler without a forecast would see of s at now: the mean
// rate of a window, such as 2 minutes, 15 s late, as a Prometheus query over
// scraped counters gives it. A missing step counts as the last known one before
// it; NaN where nothing is known yet.
func Reactive(s forecast.Series, now time.Time, window time.Duration) float64 {
	const late = 15 * time.Second
	to := now.Add(-late)
	from := to.Add(-window)
	requests, seconds := 0.0, 0.0
	for i := s.Index(from); i <= s.Index(to); i++ {
		begin, end := s.Time(i), s.Time(i+1)
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		if rate, _, ok := s.Through(s.Time(i)).Last(); ok {
			requests += rate * end.Sub(begin).Seconds()
			seconds += end.Sub(begin).Seconds()
		}
	}
	return requests / seconds
}
