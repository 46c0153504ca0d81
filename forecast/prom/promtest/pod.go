package promtest

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/foretide/foretide/forecast"
)

// Pod is a pod in the mesh: an HTTP server that exports what the sidecars of
// Istio and of Linkerd would, both at once, under their metric names and with
// their labels. It may be used concurrently.
type Pod struct {
	workload forecast.Workload
	name     string
	server   *httptest.Server
	tick     func(*Pod) time.Time

	scraping sync.Mutex // one scrape at a time
	mu       sync.Mutex // guards what follows
	registry *prometheus.Registry
	istio    *prometheus.CounterVec
	linkerd  map[string]*prometheus.CounterVec // by direction
}

// StartPod runs a pod until the test ends. If tick is not nil it is called
// before each scrape, where it may count requests, and returns the instant that
// the samples of the scrape are stamped with: a test plays minutes in seconds
// that way. The zero Time leaves them without a stamp, as sidecars do.
func StartPod(t testing.TB, w forecast.Workload, name string, tick func(*Pod) time.Time) *Pod {
	p := &Pod{workload: w, name: name, tick: tick}
	p.Restart()
	p.server = httptest.NewServer(promhttp.HandlerFor(prometheus.GathererFunc(p.gather), promhttp.HandlerOpts{}))
	t.Cleanup(p.server.Close)
	return p
}

// Target is how a server scrapes the pod, with the labels that the scrape
// configuration of Linkerd gives the pod of a Deployment.
func (p *Pod) Target() Target {
	return Target{
		Address: strings.TrimPrefix(p.server.URL, "http://"),
		Labels:  map[string]string{"namespace": p.workload.Namespace, "pod": p.name, "deployment": p.workload.Name},
	}
}

// Receive counts n requests from a client's workload, answered with status.
func (p *Pod) Receive(from forecast.Workload, status int, n float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.istio.With(istioLabels("destination", from, p.workload, status)).Add(n)
	p.linkerd["inbound"].With(inboundLabels("default")).Add(n)
}

// Probe counts n probes of the kubelet. Only Linkerd's sidecar sees them:
// Istio's answers them itself.
func (p *Pod) Probe(n float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.linkerd["inbound"].With(inboundLabels("probe")).Add(n)
}

// Send counts n requests to a server's workload, answered with status.
func (p *Pod) Send(to forecast.Workload, status int, n float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.istio.With(istioLabels("source", p.workload, to, status)).Add(n)
	p.linkerd["outbound"].With(prometheus.Labels{
		"direction": "outbound", "authority": to.Name + "." + to.Namespace + ".svc.cluster.local:80",
		"target_addr": "10.1.0.9:8080", "target_ip": "10.1.0.9", "target_port": "8080",
		"dst_namespace": to.Namespace, "dst_deployment": to.Name, "dst_service": to.Name, "tls": "true",
	}).Add(n)
}

// Restart lets all counters begin at zero again, as the restart of a container
// does.
func (p *Pod) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.registry = prometheus.NewRegistry()
	counter := func(name string, labels prometheus.Labels) *prometheus.CounterVec {
		names := make([]string, 0, len(labels))
		for l := range labels {
			names = append(names, l)
		}
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, names)
	}
	var none forecast.Workload
	p.istio = counter("istio_requests_total", istioLabels("", none, none, 0))
	// The two directions of Linkerd's counter differ in their labels, which a
	// registry does not allow in one collector.
	p.linkerd = map[string]*prometheus.CounterVec{
		"inbound": counter("request_total", inboundLabels("")),
		"outbound": counter("request_total", prometheus.Labels{
			"direction": "", "authority": "", "target_addr": "", "target_ip": "", "target_port": "",
			"dst_namespace": "", "dst_deployment": "", "dst_service": "", "tls": "",
		}),
	}
	p.registry.MustRegister(p.istio, unchecked{p.linkerd["inbound"]}, unchecked{p.linkerd["outbound"]})
}

// unchecked is a collector whose metrics are not described beforehand.
type unchecked struct{ prometheus.Collector }

func (unchecked) Describe(chan<- *prometheus.Desc) {}

func (p *Pod) gather() ([]*dto.MetricFamily, error) {
	p.scraping.Lock()
	defer p.scraping.Unlock()
	var at time.Time
	if p.tick != nil {
		at = p.tick(p)
	}
	p.mu.Lock()
	registry := p.registry
	p.mu.Unlock()
	families, err := registry.Gather()
	if err != nil || at.IsZero() {
		return families, err
	}
	ms := at.UnixMilli()
	for _, f := range families {
		for _, m := range f.Metric {
			m.TimestampMs = &ms
		}
	}
	return families, nil
}

// istioLabels are those of Istio's standard metrics.
func istioLabels(reporter string, from, to forecast.Workload, status int) prometheus.Labels {
	principal := func(w forecast.Workload) string {
		return "spiffe://cluster.local/ns/" + w.Namespace + "/sa/" + w.Name
	}
	flags := "-"
	if status == http.StatusServiceUnavailable {
		flags = "UF"
	}
	return prometheus.Labels{
		"reporter":        reporter,
		"source_workload": from.Name, "source_workload_namespace": from.Namespace,
		"source_principal": principal(from), "source_app": from.Name, "source_version": "v1", "source_cluster": "Kubernetes",
		"source_canonical_service": from.Name, "source_canonical_revision": "v1",
		"destination_workload": to.Name, "destination_workload_namespace": to.Namespace,
		"destination_principal": principal(to), "destination_app": to.Name, "destination_version": "v1", "destination_cluster": "Kubernetes",
		"destination_canonical_service": to.Name, "destination_canonical_revision": "v1",
		"destination_service":      to.Name + "." + to.Namespace + ".svc.cluster.local",
		"destination_service_name": to.Name, "destination_service_namespace": to.Namespace,
		"request_protocol": "http", "response_code": strconv.Itoa(status), "response_flags": flags, "grpc_response_status": "",
		"connection_security_policy": "mutual_tls",
	}
}

// inboundLabels are those of the requests that Linkerd's proxy receives.
func inboundLabels(route string) prometheus.Labels {
	return prometheus.Labels{
		"direction": "inbound", "target_addr": "0.0.0.0:8080", "target_ip": "0.0.0.0", "target_port": "8080",
		"tls": "true", "client_id": "web.shop.serviceaccount.identity.linkerd.cluster.local",
		"srv_group": "", "srv_kind": "default", "srv_name": "all-unauthenticated", "srv_port": "8080",
		"route_group": "", "route_kind": "default", "route_name": route,
	}
}
