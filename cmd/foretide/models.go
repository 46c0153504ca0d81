package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/foretide/foretide/forecast/registry"
)

func newModelsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "models",
		Short: "Look at the models in a store, and say which one serves",
		Long: "A store holds every version that was trained, and the log of which one was the champion, the one\n" +
			"that serves. Nothing in it is changed or deleted: promoting and rolling back add to the log.",
		Example: "  foretide models list --store file:///var/lib/foretide",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("want a command: list, show, promote or rollback"))
			}
			return usage(fmt.Errorf("command %q: want list, show, promote or rollback", args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args lets nothing through
	}
	c.AddCommand(newModelsListCommand(a), newModelsShowCommand(a), newModelsPromoteCommand(a), newModelsRollbackCommand(a))
	for _, sub := range c.Commands() {
		a.start(sub)
	}
	return c
}

// storeFlag is the flag of every command about models.
func storeFlag(c *cobra.Command, store *string) {
	c.Flags().StringVar(store, "store", "", "URL of the store with the models, such as file:///var/lib/foretide")
}

// withStore opens the store that the flag names, unless a mistake of the
// user's, nil if there is none, speaks against it.
func withStore(ctx context.Context, store string, mistake error, do func(*registry.Registry) error) error {
	if store == "" {
		return usage(mistake, errors.New("--store: want the URL of the store with the models, such as file:///var/lib/foretide"))
	}
	r, err := registry.Open(ctx, store)
	if err != nil {
		return usage(mistake, fmt.Errorf("--store: %w", err))
	}
	defer r.Close() // each object is closed by itself
	if mistake != nil {
		return usage(mistake)
	}
	return do(r)
}

// oneVersion is the mistake of naming not one version, or, if that is allowed,
// none.
func oneVersion(args []string, optional bool) error {
	if len(args) == 1 || len(args) == 0 && optional {
		return nil
	}
	return fmt.Errorf("%d arguments: want one version, such as 20261122T141300Z-1a2b3c4d", len(args))
}

// modelList is what a store holds.
type modelList struct {
	Champion string              `json:"champion,omitempty"`
	Versions []registry.Manifest `json:"versions"`
	// Unreadable says what is wrong with the rest.
	Unreadable []string `json:"unreadable,omitempty"`
}

func newModelsListCommand(a *app) *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the versions in a store, the newest first",
		Example: "  foretide models list --store file:///var/lib/foretide\n  foretide models list --store 's3://models?region=eu-west-1' --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			return withStore(c.Context(), store, nil, func(r *registry.Registry) error {
				versions, err := r.Versions(c.Context())
				if versions == nil && err != nil {
					return err
				}
				list := modelList{Versions: versions}
				slices.Reverse(list.Versions)
				champion, championErr := r.Champion(c.Context())
				list.Champion = champion.Version
				if !errors.Is(championErr, registry.ErrNoChampion) {
					err = errors.Join(err, championErr)
				}
				for _, e := range parts(err) {
					list.Unreadable = append(list.Unreadable, e.Error())
				}
				return a.result(list, list.text)
			})
		},
	}
	storeFlag(c, &store)
	return c
}

func (l modelList) text(w io.Writer) error {
	var rows [][]string
	for _, m := range l.Versions {
		row := []string{m.ID, strconv.Itoa(m.Data.Workloads), fmt.Sprintf("%.1f", float64(m.Data.KnownMinutes)/float64(max(m.Data.Workloads, 1))/(24*60)), "", ""}
		for _, s := range m.Scores {
			// The widest range of the first forecaster, which is the model.
			if s.Forecaster == m.Scores[0].Forecaster && s.From == 1 {
				row[3] = fmt.Sprintf("%.4f", s.CRPS)
			}
		}
		if m.ID == l.Champion {
			row[4] = "champion"
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "no versions")
	} else if err := table(w, []string{"VERSION", "WORKLOADS", "DAYS EACH", "CRPS", ""}, rows); err != nil {
		return err
	}
	for _, u := range l.Unreadable {
		if _, err := fmt.Fprintf(w, "unreadable: %s\n", u); err != nil {
			return err
		}
	}
	return nil
}

// modelDetails is one version and when it was promoted.
type modelDetails struct {
	registry.Manifest
	Champion   bool                 `json:"champion"`
	Promotions []registry.Promotion `json:"promotions"`
}

func newModelsShowCommand(a *app) *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:     "show [VERSION]",
		Short:   "Show where a version comes from and what it is worth; the champion if none is named",
		Example: "  foretide models show --store file:///var/lib/foretide\n  foretide models show 20261122T141300Z-1a2b3c4d --store file:///var/lib/foretide",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return withStore(c.Context(), store, oneVersion(args, true), func(r *registry.Registry) error {
				champion, err := r.Champion(c.Context())
				id := champion.Version
				if len(args) == 1 {
					id, err = args[0], nil
				}
				if err != nil {
					return err
				}
				// Unlike the manifest alone, this verifies the weights.
				m, _, err := r.Get(c.Context(), id)
				if err != nil {
					return err
				}
				d := modelDetails{Manifest: m, Champion: id == champion.Version, Promotions: []registry.Promotion{}}
				log, err := r.Promotions(c.Context())
				if log == nil && err != nil {
					return err
				}
				for _, e := range parts(err) {
					a.log.Warn("promotion left out", "reason", e)
				}
				for _, p := range log {
					if p.Version == id {
						d.Promotions = append(d.Promotions, p)
					}
				}
				return a.result(d, d.text)
			})
		},
	}
	storeFlag(c, &store)
	return c
}

func (d modelDetails) text(w io.Writer) error {
	if err := manifestText(w, d.Manifest); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, p := range d.Promotions {
		fmt.Fprintf(w, "%s  %s\n", p.At.Format(time.RFC3339), p.Reason)
	}
	state := "not the champion"
	if d.Champion {
		state = "the champion"
	}
	_, err := fmt.Fprintln(w, state)
	return err
}

func newModelsPromoteCommand(a *app) *cobra.Command {
	var store, reason string
	c := &cobra.Command{
		Use:     "promote VERSION",
		Short:   "Make a version the champion",
		Example: "  foretide models promote 20261122T141300Z-1a2b3c4d --store file:///var/lib/foretide --reason 'tried it by hand'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return withStore(c.Context(), store, oneVersion(args, false), func(r *registry.Registry) error {
				champion, err := title(c.Context(), r)
				if err != nil {
					return err
				}
				return a.promote(c.Context(), r, champion, args[0], reason)
			})
		},
	}
	storeFlag(c, &store)
	c.Flags().StringVar(&reason, "reason", "promoted by hand", "why, for the log")
	return c
}

func newModelsRollbackCommand(a *app) *cobra.Command {
	var store, reason string
	c := &cobra.Command{
		Use:     "rollback",
		Short:   "Make the champion before this one the champion again",
		Long:    "Make the champion before this one the champion again, by a new entry in the log. Done twice, that is\nundone; 'foretide models promote' goes back further.",
		Example: "  foretide models rollback --store file:///var/lib/foretide --reason 'forecasts too low since noon'",
		RunE: func(c *cobra.Command, _ []string) error {
			return withStore(c.Context(), store, nil, func(r *registry.Registry) error {
				champion, err := title(c.Context(), r)
				if err != nil {
					return err
				}
				if champion.Previous == "" {
					return withHint(errors.New("roll back: there is no champion before this one"), "Name a version: foretide models promote VERSION")
				}
				return a.promote(c.Context(), r, champion, champion.Previous, reason)
			})
		},
	}
	storeFlag(c, &store)
	c.Flags().StringVar(&reason, "reason", "rolled back by hand", "why, for the log")
	return c
}

// title is the newest entry of the log, as far as it can be read: an entry
// that is spoilt can be promoted over.
func title(ctx context.Context, r *registry.Registry) (registry.Promotion, error) {
	champion, err := r.Champion(ctx)
	if errors.Is(err, registry.ErrNoChampion) || champion.Seq > 0 {
		err = nil
	}
	return champion, err
}

func (a *app) promote(ctx context.Context, r *registry.Registry, champion registry.Promotion, id, reason string) error {
	// A version whose weights are spoilt would be promoted in vain.
	if _, _, err := r.Get(ctx, id); err != nil {
		return err
	}
	p, err := r.Promote(ctx, registry.Promotion{Seq: champion.Seq + 1, Version: id, Reason: reason, At: a.now()})
	if err != nil {
		return err
	}
	return a.result(p, func(w io.Writer) error {
		was := "there was none before"
		if p.Previous != "" {
			was = "before it was " + p.Previous
		}
		_, err := fmt.Fprintf(w, "%s is the champion now; %s\n", p.Version, was)
		return err
	})
}
