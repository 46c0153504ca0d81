package inspect

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// compressFrom is the size in bytes below which compressing gains nothing, as
// the answer fits one packet anyway.
const compressFrom = 1400

// answer writes v as JSON.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		h.Logger.Error("cannot encode an answer", "path", r.URL.Path, "error", err)
		http.Error(w, `{"error":"the answer could not be encoded; see the log"}`, http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept-Encoding")
	if len(body) < compressFrom || !accepts(r, "gzip") {
		header.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(code)
		_, err = w.Write(body)
	} else {
		header.Set("Content-Encoding", "gzip")
		w.WriteHeader(code)
		err = compress(w, body)
	}
	if err != nil {
		h.Logger.Debug("client went away", "path", r.URL.Path, "error", err)
	}
}

// fail answers with an error that says what would be right.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, code int, format string, args ...any) {
	h.answer(w, r, code, struct {
		Error string `json:"error"`
	}{fmt.Sprintf(format, args...)})
}

func compress(w http.ResponseWriter, body []byte) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}

// accepts says whether the client takes an encoding by name.
func accepts(r *http.Request, encoding string) bool {
	for _, list := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
			if strings.TrimSpace(name) == encoding {
				q, found := strings.CutPrefix(strings.TrimSpace(weight), "q=")
				f, err := strconv.ParseFloat(q, 64)
				return !found || err == nil && f > 0
			}
		}
	}
	return false
}

// rates are requests per second as a JSON array: six significant digits, more
// than any chart or reader can tell apart, and null where nothing is known.
type rates []float64

func (s rates) MarshalJSON() ([]byte, error) { return encode(s, 6), nil }

// shape is rates to be drawn small: three significant digits, as hundreds of
// them are sent at each refresh of a page.
type shape []float64

func (s shape) MarshalJSON() ([]byte, error) { return encode(s, 3), nil }

func encode(s []float64, digits int) []byte {
	b := make([]byte, 0, (digits+2)*len(s)+2)
	b = append(b, '[')
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, v, 'g', digits, 64)
		}
	}
	return append(b, ']')
}

// finite is v for JSON, null where it is not known.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// stamp is t for JSON, in UTC, null where there is none.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// age is the seconds from t to now, null where there is no t.
func age(now, t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	return finite(now.Sub(t).Seconds())
}

// given is v for JSON, null where it is the zero value.
func given[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
