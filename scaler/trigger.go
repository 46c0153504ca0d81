package scaler

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/replica"
)

// Trigger is what a ScaledObject's trigger metadata asks for. It is comparable.
type Trigger struct {
	// ScaledObject is the caller's claim of who asks: its namespace and name.
	ScaledObject forecast.Workload
	// Workload is whose load scales it.
	Workload forecast.Workload
	// Load says where that load is read from.
	Load LoadSpec
	// Policy is what to answer of it.
	Policy replica.Policy
}

// Bounds of a trigger's fields, besides those of a [replica.Policy]. The HPA
// counts in thousandths, so a smaller target per pod would read as zero.
const (
	minTargetPerPod = 0.001
	maxTargetPerPod = 1e9
	maxQueryLength  = 8192
	maxNameLength   = 253
)

// The keys of trigger metadata, in the order of the documentation.
const (
	keyWorkload            = "workload"
	keyNamespace           = "namespace"
	keyPreset              = "preset"
	keyQuery               = "query"
	keyTargetPerPod        = "targetPerPod"
	keyQuantile            = "quantile"
	keyLeadTime            = "leadTime"
	keyActivationThreshold = "activationThreshold"
	keyMode                = "mode"
)

func ourKeys() []string {
	return []string{keyWorkload, keyNamespace, keyPreset, keyQuery, keyTargetPerPod, keyQuantile, keyLeadTime, keyActivationThreshold, keyMode}
}

// kedaKeys are read by KEDA and handed on with all the others.
func kedaKeys() []string { return []string{"scalerAddress", "enableTLS", "unsafeSsl"} }

// secretKeys are read by KEDA from a TriggerAuthentication only: in metadata
// they do nothing but spread a secret.
func secretKeys() []string { return []string{"caCert", "tlsClientCert", "tlsClientKey"} }

// fromEnv ends a key whose value KEDA has looked up in the workload's
// environment before it calls.
const fromEnv = "FromEnv"

// ParseTrigger reads the trigger metadata of the ScaledObject object. presets
// are the names that key preset may have. The error names every bad field at
// once, its value and what would be right.
//
//	workload             the workload whose load scales this one; required
//	namespace            its namespace; that of the ScaledObject by default
//	preset               the mesh whose metrics to read, or
//	query                a PromQL query that gives its rate; the process's default without either
//	targetPerPod         requests per second one pod carries; required
//	quantile             level of the peak to be ready for, default 0.95
//	leadTime             how long a new pod takes to serve, default 5m
//	activationThreshold  rate above which the workload is active, default 0
//	mode                 max (default) or forecast-only
//
// Each key may instead end in FromEnv, as KEDA has it. Its own keys pass.
func ParseTrigger(object forecast.Workload, metadata map[string]string, presets []string) (Trigger, error) {
	t := Trigger{ScaledObject: object, Policy: replica.Defaults()}
	p := parser{values: map[string]string{}, wrong: map[string]bool{}}
	p.collect(metadata)
	if !kubernetesName(object.Name) || !kubernetesName(object.Namespace) {
		p.errs = append(p.errs, fmt.Errorf("ScaledObject %q: want a Kubernetes namespace and name", clip(object.String())))
	}

	t.Workload = forecast.Workload{
		Namespace: p.name(keyNamespace, object.Namespace, "the namespace of the workload"),
		Name:      p.name(keyWorkload, "", "the name of the workload whose load scales this one"),
	}
	t.Load.Preset = p.values[keyPreset]
	if preset, ok := p.values[keyPreset]; ok && !slices.Contains(presets, preset) {
		p.bad(keyPreset, preset, "one of "+strings.Join(presets, ", "))
	}
	if query, ok := p.values[keyQuery]; ok {
		// A query is one workload's own, so two workloads never share one.
		t.Load.Query, t.Load.Workload = query, t.Workload
		if _, both := p.values[keyPreset]; both {
			p.bad(keyQuery, query, "no query beside a preset: give one of the two")
		}
		if len(query) > maxQueryLength || strings.TrimSpace(query) == "" {
			p.bad(keyQuery, query, fmt.Sprintf("PromQL of at most %d characters", maxQueryLength))
		}
	}
	policy := &t.Policy
	p.number(keyTargetPerPod, &policy.TargetPerPod)
	p.number(keyQuantile, &policy.Quantile)
	p.number(keyActivationThreshold, &policy.ActivationThreshold)
	if s, ok := p.values[keyLeadTime]; ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			p.bad(keyLeadTime, s, "a duration such as 90s or 5m")
		} else {
			policy.LeadTime = d
		}
	}
	if s, ok := p.values[keyMode]; ok {
		policy.Mode = replica.Mode(s)
	}
	p.check(*policy)
	if err := errors.Join(p.errs...); err != nil {
		return Trigger{}, fmt.Errorf("trigger of ScaledObject %s: %w", object, err)
	}
	return t, nil
}

// parser collects what is wrong. A key is in wrong when it has been named, so
// that a number that cannot be read is not also out of bounds.
type parser struct {
	values map[string]string
	errs   []error
	wrong  map[string]bool
}

func (p *parser) bad(key, value, want string) {
	p.wrong[key] = true
	p.errs = append(p.errs, fmt.Errorf("%s %q: want %s", key, clip(value), want))
}

// collect sorts out the keys: ours go into values, KEDA's pass.
func (p *parser) collect(metadata map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		plain := strings.TrimSuffix(key, fromEnv)
		switch {
		case slices.Contains(kedaKeys(), plain):
		case slices.Contains(secretKeys(), plain):
			p.errs = append(p.errs, fmt.Errorf("%s: want it in a TriggerAuthentication, which KEDA keeps to itself, and not in the metadata", key))
		case !slices.Contains(ourKeys(), plain):
			p.errs = append(p.errs, fmt.Errorf("%s: no such key; %s", clip(key), suggest(plain, ourKeys())))
		case key != plain && has(metadata, plain):
			p.errs = append(p.errs, fmt.Errorf("%s: want it or %s, not both", key, plain))
		default:
			p.values[plain] = metadata[key]
		}
	}
}

// name reads a Kubernetes name. Only such ones are let through, because it
// becomes part of a metric's name, of log lines and of pages.
func (p *parser) name(key, byDefault, meaning string) string {
	value, ok := p.values[key]
	if !ok {
		value = byDefault
	}
	switch {
	case value == "":
		p.bad(key, value, meaning)
	case !kubernetesName(value):
		p.bad(key, value, "a Kubernetes name: lower case letters, digits, '-' and '.'")
	}
	return value
}

func kubernetesName(s string) bool {
	odd := strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
	return s != "" && !odd && len(s) <= maxNameLength && strings.Trim(s, "-.") == s
}

func (p *parser) number(key string, into *float64) {
	s, ok := p.values[key]
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		p.bad(key, s, "a number such as 0.95 or 100")
		return
	}
	*into = v
}

// check adds what the policy finds, but for the fields named already.
func (p *parser) check(policy replica.Policy) {
	err := policy.Check()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			if field, _, _ := strings.Cut(err.Error(), " "); !p.wrong[field] {
				p.wrong[field] = true
				p.errs = append(p.errs, err)
			}
		}
	}
	if v := policy.TargetPerPod; !p.wrong[keyTargetPerPod] && !(v >= minTargetPerPod && v <= maxTargetPerPod) {
		p.bad(keyTargetPerPod, p.values[keyTargetPerPod], fmt.Sprintf("from %v to %v requests per second", minTargetPerPod, maxTargetPerPod))
	}
}

// MetricName is what KEDA asks for the trigger by: the same for the same
// trigger at any time in any process, and another for any other.
func (t Trigger) MetricName() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %q %v %v %v %v",
		t.ScaledObject.Namespace, t.ScaledObject.Name, t.Workload.Namespace, t.Workload.Name,
		t.Load.Preset, t.Load.Query, t.Policy.Mode,
		t.Policy.TargetPerPod, t.Policy.Quantile, t.Policy.LeadTime, t.Policy.ActivationThreshold))
	return fmt.Sprintf("foretide-%s-%s-%s", t.Workload.Namespace, t.Workload.Name, hex.EncodeToString(sum[:5]))
}

// suggest names the word nearest to a wrong one, or all.
func suggest(wrong string, words []string) string {
	if len(words) == 0 {
		return "there is none"
	}
	near := slices.MinFunc(words, func(a, b string) int { return cmp.Compare(distance(wrong, a), distance(wrong, b)) })
	if distance(wrong, near) <= 1+len(near)/3 {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "want " + strings.Join(words, ", ")
}

// distance is the number of letters to change, insert or leave out to make one
// word of the other (Levenshtein 1966), ignoring case.
func distance(a, b string) int {
	a, b = strings.ToLower(clip(a)), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// clip keeps a stranger's value from flooding a message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func has(m map[string]string, key string) bool {
	_, ok := m[key]
	return ok
}
