package synthetic

import (
	"math"
	"time"
)

// demand is what the world asks of a service, beside its callers.
type demand struct {
	// scale is the rate at level 1, in requests per second.
	scale float64
	// floor is the level of the quietest hour, and bumps rise above it.
	floor float64
	bumps []bump
	// week multiplies each day, Sunday first; all zero means all one.
	week [7]float64
	// drift is the change of the logarithm of the level per day since drifts.
	drift  float64
	drifts time.Time
	// noise is how the level wanders.
	noise []octave
	// batch adds sharp pulses, at level batch.height.
	batch batch
	// from and to are the hours of the day outside which there is none; equal
	// means all day. from may be later than to: over midnight.
	from, to float64
	// bursts come at random, so many a day on average.
	bursts burst
	// events are moments that happen once.
	events []event
}

// bump is a hill in the day: its top at hour, its width in hours.
type bump struct{ hour, width, height float64 }

// batch is a job that starts on every full period and calls for length.
type batch struct {
	period, length time.Duration
	height         float64
}

// burst is a family of sudden rises that fade over fade.
type burst struct {
	perDay, height float64
	fade           time.Duration
}

// event multiplies the level from at on by what its shape says of the minutes
// since.
type event struct {
	at    time.Time
	shape func(minutes float64) float64
}

// at is the expected rate at t in requests per second.
func (d *demand) at(key uint64, t time.Time) float64 {
	midnight := t.Truncate(24 * time.Hour)
	hour := t.Sub(midnight).Hours()
	if !d.open(hour) {
		return 0
	}
	level := d.floor
	for _, b := range d.bumps {
		// Round the clock: half past eleven at night is near midnight.
		x := math.Abs(hour - b.hour)
		x = min(x, 24-x) / b.width
		level += b.height * math.Exp(-x*x/2)
	}
	level *= d.day(t, hour)
	if d.drift != 0 {
		level *= math.Exp(d.drift * t.Sub(d.drifts).Hours() / 24)
	}
	level *= wander(hash(key, 1), t, d.noise)
	level += d.batch.at(hash(key, 2), t)
	level *= 1 + d.bursts.at(hash(key, 3), t)
	for _, e := range d.events {
		if m := t.Sub(e.at).Minutes(); m >= 0 {
			level *= e.shape(m)
		}
	}
	return d.scale * level
}

// open says whether the hour lies within the hours of work.
func (d *demand) open(hour float64) bool {
	switch {
	case d.from < d.to:
		return hour >= d.from && hour < d.to
	case d.from > d.to:
		return hour >= d.from || hour < d.to
	}
	return true
}

// day is the weekday's factor, moving from one noon to the next so that no
// midnight jumps.
func (d *demand) day(t time.Time, hour float64) float64 {
	if d.week == [7]float64{} {
		return 1
	}
	today := int(t.Weekday())
	if hour < 12 {
		w := ramp((hour + 12) / 24)
		return d.week[(today+6)%7]*(1-w) + d.week[today]*w
	}
	w := ramp((hour - 12) / 24)
	return d.week[today]*(1-w) + d.week[(today+1)%7]*w
}

// at is the level of the pulse under way, zero between pulses. No two pulses
// are quite alike.
func (b batch) at(key uint64, t time.Time) float64 {
	if b.period <= 0 {
		return 0
	}
	n := t.Unix() / int64(b.period/time.Second)
	into := float64(t.Unix()%int64(b.period/time.Second)) / b.length.Seconds()
	k := hash(key, uint64(n))
	if into >= 0.8+0.4*unit(hash(k)) {
		return 0
	}
	return b.height * math.Exp(0.12*bell(k))
}

// at is the sum of the bursts still fading. Each window of a fading time may
// begin one, and those of the last five windows are looked at: what is older
// has faded.
func (b burst) at(key uint64, t time.Time) float64 {
	if b.perDay <= 0 {
		return 0
	}
	window := b.fade.Seconds()
	chance := b.perDay * window / (24 * 3600)
	now := float64(t.Unix())
	n := math.Floor(now / window)
	sum := 0.0
	for back := range 6 {
		k := hash(key, uint64(int64(n)-int64(back)))
		if unit(k) >= chance {
			continue
		}
		begin := (n - float64(back) + unit(hash(k, 1))) * window
		if age := (now - begin) / window; age >= 0 && age < 5 {
			sum += b.height * math.Exp(0.5*bell(hash(k, 2))) * (math.Exp(-age) - math.Exp(-5))
		}
	}
	return sum
}

// sale is a flash sale: a rush within minutes, held, then fading.
func sale(height, minutes float64) func(float64) float64 {
	return func(m float64) float64 {
		return 1 + height*ramp(m/4)*math.Exp(-m/minutes)*(1-ramp((m-2*minutes)/minutes))
	}
}

// outage is a front door that lets almost nothing in, and then everybody who
// tried in vain, all at once.
func outage(minutes, storm float64) func(float64) float64 {
	return func(m float64) float64 {
		if m < minutes {
			return 1 - 0.94*ramp(m/1.5)
		}
		return 1 + storm*math.Exp(-(m-minutes)/9)*(1-ramp((m-minutes-30)/30))
	}
}
