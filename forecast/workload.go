package forecast

import (
	"cmp"
	"fmt"
	"strings"
)

// Workload names what is scaled: a workload of the mesh, or a recorded series,
// whose folder then takes the place of the namespace. The zero Workload names
// nothing.
type Workload struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String gives "namespace/name", or the bare name where there is no namespace.
func (w Workload) String() string {
	if w.Namespace == "" {
		return w.Name
	}
	return w.Namespace + "/" + w.Name
}

// Compare orders workloads by namespace, then name; it suits slices.SortFunc.
func (w Workload) Compare(o Workload) int {
	return cmp.Or(cmp.Compare(w.Namespace, o.Namespace), cmp.Compare(w.Name, o.Name))
}

// ParseWorkload is the inverse of [Workload.String]: all before the last slash
// is the namespace. An empty name or namespace part is an error.
func ParseWorkload(s string) (Workload, error) {
	i := strings.LastIndexByte(s, '/')
	if s == "" || i == 0 || i == len(s)-1 {
		return Workload{}, fmt.Errorf("parse workload %q: want NAMESPACE/NAME or NAME", s)
	}
	if i < 0 {
		return Workload{Name: s}, nil
	}
	return Workload{Namespace: s[:i], Name: s[i+1:]}, nil
}
