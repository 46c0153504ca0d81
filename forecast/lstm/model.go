package lstm

import (
	"fmt"
	"sync"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// Name is the name of every forecast that a Model makes.
const Name = "lstm"

// Model is a fitted network. It is immutable and safe for concurrent use.
type Model struct {
	size    size
	weights parameters
	// engines are kept between calls, as they own all the memory that a pass
	// needs.
	engines sync.Pool
}

// chunk is how many histories pass through the network at once: enough for
// the matrix products to be efficient, few enough to stay in the cache.
const chunk = 64

func newModel(z size, weights parameters) *Model {
	m := &Model{size: z, weights: weights}
	m.engines.New = func() any { return newEngine(z, chunk) }
	return m
}

// Name implements forecast.Forecaster.
func (m *Model) Name() string { return Name }

// Forecast implements forecast.Forecaster.
func (m *Model) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	for _, h := range batch {
		if _, _, ok := h.Last(); !ok {
			return nil, fmt.Errorf("forecast %q: none of its %d steps is known, want at least one", h.Workload, h.Len())
		}
	}
	e := m.engines.Get().(*engine)
	defer m.engines.Put(e)
	forecasts := make([]forecast.Forecast, 0, len(batch))
	for len(batch) > 0 {
		n := min(len(batch), chunk)
		forecasts = append(forecasts, m.forward(e, batch[:n])...)
		batch = batch[n:]
	}
	for _, f := range forecasts {
		if err := f.Check(); err != nil {
			return nil, err
		}
	}
	return forecasts, nil
}

func (m *Model) forward(e *engine, histories []forecast.History) []forecast.Forecast {
	var scales [chunk]feature.Scale
	for i, h := range histories {
		// Summing up more than a window may depend on would only take time,
		// unless all that is known lies before it.
		s := h.Series
		if recent := s.Between(s.Time(s.Len()-feature.Memory), s.End()); recent.Known() > 0 {
			s = recent
		}
		scales[i] = e.cutter.Cut(feature.NewSource(s), 0, s.Len()-1, window(e.batch, i))
	}
	// What an earlier call left in the rest of the batch changes nothing: no
	// example sees another.
	out := e.run(m.weights)
	forecasts := make([]forecast.Forecast, len(histories))
	for i, h := range histories {
		steps, peaks := quantiles(out[i*outputs:(i+1)*outputs], e.batch.base[i*bases:(i+1)*bases], scales[i])
		forecasts[i] = forecast.Forecast{Workload: h.Workload, Origin: h.Origin(), Steps: steps, Peaks: peaks, By: Name}
	}
	return forecasts
}
