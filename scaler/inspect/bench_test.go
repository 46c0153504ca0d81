package inspect_test

import (
	"fmt"
	"testing"

	"github.com/foretide/foretide/scaler/inspect"
)

// BenchmarkWorkloads is what the page asks for at each refresh, for 300
// workloads.
func BenchmarkWorkloads(b *testing.B) {
	var services []service
	for i := range 300 {
		services = append(services, service{namespace: "ns", name: fmt.Sprintf("s%03d", i), mean: 10, perPod: 5, seed: uint64(i)})
	}
	h := inspect.Handler(inspect.Config{Source: sourceOf(snapshotOf(noon, services))})
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(int64(ask(h, "GET", "/api/v1/workloads?spark=180", "Accept-Encoding", encoding).Body.Len()))
			}
		})
	}
}
