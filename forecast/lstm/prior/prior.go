// Package prior holds a small network that was fitted before anybody's traffic
// was seen. It forecasts from a workload's first minutes on until a network is
// trained on the user's own workloads, and that training begins with it.
//
// It learnt from generated traffic, of shops and of hundreds of unlike
// workloads, and from the first 70 % of those public traces whose licence
// allows it: NOTICE at the root of the repository names them. Half of what it
// saw were histories of five minutes to a week, as nobody knows more of a new
// service. The rest of each trace was never seen, so that scores on it are
// honest.
//
// The weights in prior.model are made, and made again to the digit, by
//
//	make prior TRACES=DIR
//
// which runs cmd/makeprior, where the sets, the seed and the shares are. It
// must be run again whenever feature.Version or the format of weights changes: a
// test fails until then, and the program does without a prior. When the
// network or the fit becomes better, it should be.
package prior

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/foretide/foretide/forecast/lstm"
)

//go:embed prior.model
var weights string

// Version is the name that the network goes by where a trained one has its
// version: "prior-" and the first eight digits of the weights' SHA-256.
func Version() string { return "prior-" + Digest()[:8] }

// Digest is the SHA-256 of the encoded weights, in hexadecimal digits.
func Digest() string {
	sum := sha256.Sum256([]byte(weights))
	return hex.EncodeToString(sum[:])
}

// Load decodes the network, anew at each call. Its error wraps
// lstm.ErrFormat where the weights were not made again for this program.
func Load() (*lstm.Model, error) {
	m, err := lstm.Decode(strings.NewReader(weights))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", Version(), err)
	}
	return m, nil
}
