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
	forecasts := make([]forecast.Forecast, len(batch))
	for from := 0; from < len(batch); from += chunk {
		to := min(from+chunk, len(batch))
		m.forward(e, batch[from:to], forecasts[from:to])
	}
	for _, f := range forecasts {
		if err := f.Check(); err != nil {
			return nil, err
		}
	}
	return forecasts, nil
}

// forward fills forecasts, one a history and at most chunk.
func (m *Model) forward(e *engine, histories []forecast.History, forecasts []forecast.Forecast) {
	e.resize(len(histories))
	var scales [chunk]feature.Scale
	for i, h := range histories {
		scales[i] = e.cutter.Cut(feature.NewSource(h.Series), 0, h.Len()-1, window(e.batch, i))
	}
	out := e.run(m.weights)
	for i, h := range histories {
		steps, peaks := quantiles(&e.mix, out[i*outputs:(i+1)*outputs], e.batch.base[i*bases:(i+1)*bases], scales[i])
		forecasts[i] = forecast.Forecast{Workload: h.Workload, Origin: h.Origin(), Steps: steps, Peaks: peaks, By: Name}
	}
}
