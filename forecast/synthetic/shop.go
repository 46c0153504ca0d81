package synthetic

import (
	"slices"
	"time"

	"github.com/foretide/foretide/forecast"
)

// ShopNamespace is where the services of [Shop] live.
const ShopNamespace = "shop"

// Days after the opening of a [Shop] on which something happens for good.
const (
	deployDay    = 8
	giftCardsDay = 13
)

// callNoise is how the number of calls per request wanders.
var callNoise = []octave{{3 * time.Minute, 0.03}, {20 * time.Minute, 0.04}, {3 * time.Hour, 0.05}}

// Shop is an online shop of twelve services whose records begin at midnight
// UTC of the day of opening:
//
//   - storefront and mobile take what people ask for, with the rhythm of day
//     and week, and call the rest: catalog, search, recommendations, cart,
//     checkout, payments, accounts, shipping.
//   - shipping has a batch job beside, that starts on the hour; settlement
//     works at night only; gift-cards appears on the fourteenth day.
//   - On the ninth day a new version of recommendations starts to ask catalog
//     three times as often.
//   - Once a week comes a flash sale that nobody announced and once an outage
//     of the front door with its storm of retries; both come on the fifteenth
//     day, the first after two weeks of records.
func Shop(seed uint64, opening time.Time) *Mesh {
	opening = opening.UTC().Truncate(24 * time.Hour)
	day := func(n int, hour float64) time.Time {
		return opening.Add(time.Duration((float64(n)*24 + hour) * float64(time.Hour))).Truncate(forecast.Step)
	}
	events, told := weekly(seed, day)
	public := []octave{{2 * time.Minute, 0.03}, {10 * time.Minute, 0.04}, {45 * time.Minute, 0.05}, {4 * time.Hour, 0.07}, {30 * time.Hour, 0.05}}

	b := builder{seed: seed}
	storefront := b.add("storefront", demand{
		scale: 420, floor: 0.09, noise: public, events: events,
		bumps: []bump{{10.5, 2.4, 0.55}, {14, 2.5, 0.40}, {20.3, 2.1, 0.85}},
		week:  [7]float64{1.16, 0.95, 0.93, 0.96, 1, 1.05, 1.22},
	})
	mobile := b.add("mobile", demand{
		scale: 260, floor: 0.12, noise: public, events: events,
		bumps: []bump{{7.8, 0.9, 0.6}, {12.4, 0.8, 0.55}, {17.6, 1, 0.6}, {21.8, 1.6, 1}},
		week:  [7]float64{0.9, 1.05, 1.03, 1.04, 1.05, 1.1, 0.92},
	})
	search := b.add("search", demand{}, from(storefront, 0.34, 0), from(mobile, 0.22, 0))
	recommendations := b.add("recommendations", demand{}, from(storefront, 0.55, 0), from(mobile, 0.7, 0))
	b.add("catalog", demand{},
		from(storefront, 1.4, 0), from(mobile, 1.1, 0), from(search, 0.9, 1),
		call{from: recommendations, ratio: 0.45, changed: day(deployDay, 14), changedTo: 1.35, lag: 1})
	cart := b.add("cart", demand{}, from(storefront, 0.13, 0), from(mobile, 0.09, 0))
	checkout := b.add("checkout", demand{}, from(cart, 0.19, 2))
	b.add("payments", demand{}, from(checkout, 1.12, 1))
	b.add("accounts", demand{}, from(storefront, 0.16, 0), from(mobile, 0.24, 0), from(checkout, 1, 0))
	b.add("shipping", demand{
		scale: 30, noise: callNoise,
		batch: batch{period: time.Hour, length: 4 * time.Minute, height: 1},
	}, from(checkout, 0.95, 2))
	b.add("settlement", demand{
		scale: 45, floor: 0.35, noise: public, from: 1.5, to: 5,
		bumps: []bump{{2.6, 0.7, 0.9}},
	})
	b.add("gift-cards", demand{}, from(storefront, 0.035, 0), from(checkout, 0.4, 1))
	b.services[len(b.services)-1].appears = day(giftCardsDay, 0)

	told = append(told,
		Event{day(deployDay, 14), "a new version of recommendations rolls out"},
		Event{day(giftCardsDay, 0), "gift-cards goes live"})
	slices.SortFunc(told, func(a, b Event) int { return a.At.Compare(b.At) })
	return &Mesh{seed: seed, opening: opening, services: b.services, pad: longest(b.services), events: told}
}

// weekly are half a year's sales and outages. Weekdays turn from week to week,
// so that last week tells nothing of this one.
func weekly(seed uint64, day func(int, float64) time.Time) (events []event, told []Event) {
	for week := range 26 {
		h := hash(seed, uint64(week), 6)
		rush := day(7*week+(3+2*week)%7, 15+3*unit(h))
		events = append(events, event{rush, sale(1.1+0.8*unit(hash(h, 1)), 35+25*unit(hash(h, 2)))})
		down, minutes := day(7*week+(6+4*week)%7, 8.5+3*unit(hash(h, 3))), 9+9*unit(hash(h, 4))
		events = append(events, event{down, outage(minutes, 0.7+0.5*unit(hash(h, 5)))})
		told = append(told,
			Event{rush, "a flash sale begins"},
			Event{down, "the front door fails"},
			Event{down.Add(time.Duration(minutes * float64(time.Minute))), "the front door is back, and everybody retries"})
	}
	return events, told
}

// builder gives each service its index, for its callees to name it by.
type builder struct {
	seed     uint64
	services []service
}

// add places a service whose callers are already there. What the world asks
// beside its callers varies a little with the seed; a zero demand is none.
func (b *builder) add(name string, own demand, calls ...call) int {
	s := service{workload: forecast.Workload{Namespace: ShopNamespace, Name: name}, calls: calls}
	i := len(b.services)
	if own.scale > 0 {
		own.scale *= 0.85 + 0.3*unit(hash(b.seed, uint64(i), 7))
		s.own = []demand{own}
	}
	for k := range s.calls {
		f := 0.9 + 0.2*unit(hash(b.seed, uint64(i), uint64(k), 8))
		s.calls[k].ratio *= f
		s.calls[k].changedTo *= f
	}
	b.services = append(b.services, s)
	return i
}

func from(caller int, calls float64, lagTicks int) call {
	return call{from: caller, ratio: calls, lag: lagTicks}
}
