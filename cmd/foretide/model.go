package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/foretide/foretide/forecast/lstm"
	"github.com/foretide/foretide/forecast/lstm/prior"
	"github.com/foretide/foretide/forecast/registry"
)

// priorModel is what --model calls the network that the binary brings.
const priorModel = "prior"

// modelMistake is what is wrong with a store and a model for loadModel.
func modelMistake(store, model string) []error {
	switch {
	case model == priorModel && store != "":
		return []error{fmt.Errorf("--store %q: want none with --model %s", store, priorModel)}
	case model != priorModel && store == "":
		return []error{fmt.Errorf("--store: want the URL of the store with the model, or --model %s for the one that foretide brings", priorModel)}
	}
	return nil
}

// loadModel takes a version, the champion where none is named, from the store;
// or the prior, for which there is none.
func loadModel(ctx context.Context, store, version string) (*lstm.Model, string, error) {
	if version == priorModel {
		m, err := prior.Load()
		return m, prior.Version(), err
	}
	r, err := registry.Open(ctx, store)
	if err != nil {
		return nil, "", usage(fmt.Errorf("--store: %w", err))
	}
	defer r.Close() // read from only
	named := version != ""
	if !named {
		champion, err := r.Champion(ctx)
		if errors.Is(err, registry.ErrNoChampion) {
			return nil, "", withHint(err, "Train one with 'foretide train', or name a version with --model.")
		}
		if err != nil {
			return nil, "", err
		}
		version = champion.Version
	}
	_, weights, err := r.Get(ctx, version)
	if errors.Is(err, registry.ErrNotFound) && named {
		return nil, "", usage(fmt.Errorf("--model %q: %w", version, err))
	}
	if err != nil {
		return nil, "", err
	}
	m, err := lstm.Decode(bytes.NewReader(weights))
	if err != nil {
		return nil, "", fmt.Errorf("load model %q: %w", version, err)
	}
	return m, version, nil
}
