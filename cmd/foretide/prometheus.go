package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/foretide/foretide/forecast/prom"
)

// prometheusFlags say which metrics store to read and how, for every
// subcommand that reads one.
type prometheusFlags struct {
	prom.Config
	preset string
	bulk   prom.Mapping
	// headers and headerFiles are NAME=VALUE.
	headers, headerFiles []string
}

func (p *prometheusFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&p.URL, "prometheus", "", "URL of Prometheus, or of any store that speaks its query API")
	fs.StringVar(&p.preset, "preset", prom.Presets()[0], "mesh whose metrics to read: "+strings.Join(prom.Presets(), " or "))
	fs.StringVar(&p.bulk.Query, "query", "", "PromQL that gives requests per second, one series a workload, in place of a preset; "+prom.WindowPlaceholder+" stands for the window of a rate")
	fs.StringVar(&p.bulk.NamespaceLabel, "query-namespace-label", "namespace", "label of --query's series that has the workload's namespace")
	fs.StringVar(&p.bulk.WorkloadLabel, "query-workload-label", "workload", "label of --query's series that has the workload's name")
	fs.DurationVar(&p.Window, "rate-window", 0, "time that a rate is averaged over, at least four scrape intervals; 0 finds it")
	fs.DurationVar(&p.Timeout, "prometheus-timeout", prom.DefaultTimeout, "how long one attempt of a query may take")
	fs.IntVar(&p.PageSteps, "prometheus-page-steps", prom.DefaultPageSteps, "minutes of history that one query asks for")
	fs.StringVar(&p.BearerTokenFile, "prometheus-bearer-token-file", "", "file with a bearer token")
	fs.StringVar(&p.Username, "prometheus-username", "", "user name for basic authentication")
	fs.StringVar(&p.PasswordFile, "prometheus-password-file", "", "file with the password for basic authentication")
	fs.StringArrayVar(&p.headers, "prometheus-header", nil, "header to send, as NAME=VALUE, such as a tenant's; may be repeated")
	fs.StringArrayVar(&p.headerFiles, "prometheus-header-file", nil, "header to send whose value is in a file, as NAME=FILE; may be repeated")
	fs.StringVar(&p.CAFile, "prometheus-ca", "", "file with the certificates that may have signed the store's")
	fs.StringVar(&p.CertFile, "prometheus-cert", "", "file with the client's certificate")
	fs.StringVar(&p.KeyFile, "prometheus-key", "", "file with the client's key")
	fs.StringVar(&p.ServerName, "prometheus-server-name", "", "name to expect in the store's certificate, if it is not the URL's host")
	fs.BoolVar(&p.InsecureSkipVerify, "prometheus-insecure-skip-verify", false, "accept any certificate; for trying things out")
}

// check reads what the flags hold and gives all that is wrong, by flag.
func (p *prometheusFlags) check(fs *pflag.FlagSet) error {
	var errs []error
	p.Headers, errs = pairs("--prometheus-header", p.headers, errs)
	p.HeaderFiles, errs = pairs("--prometheus-header-file", p.headerFiles, errs)
	byFlag := strings.NewReplacer(
		"BearerTokenFile", "--prometheus-bearer-token-file", "PasswordFile", "--prometheus-password-file",
		"Username", "--prometheus-username", "CAFile", "--prometheus-ca", "CertFile", "--prometheus-cert",
		"KeyFile", "--prometheus-key", "HeaderFiles", "--prometheus-header-file", "Headers", "--prometheus-header",
		"PageSteps", "--prometheus-page-steps", "NamespaceLabel", "--query-namespace-label",
		"WorkloadLabel", "--query-workload-label", "URL \"", "--prometheus \"", "Query \"", "--query \"",
		"Window \"", "--rate-window \"", "Timeout \"", "--prometheus-timeout \"")
	add := func(err error) {
		for _, e := range parts(err) {
			errs = append(errs, errors.New(byFlag.Replace(e.Error())))
		}
	}
	add(p.Config.Check())
	if fs.Changed("query") {
		add(p.bulk.Check())
		if fs.Changed("preset") {
			errs = append(errs, fmt.Errorf("--preset %q: want none beside --query", p.preset))
		}
	} else if !slices.Contains(prom.Presets(), p.preset) {
		errs = append(errs, fmt.Errorf("--preset %q: want %s", p.preset, strings.Join(prom.Presets(), " or ")))
	}
	return errors.Join(errs...)
}

// name is the preset to read, empty with a query.
func (p *prometheusFlags) name() string {
	if p.bulk.Query != "" {
		return ""
	}
	return p.preset
}

// source is what the flags say to read of every workload.
func (p *prometheusFlags) source(c *prom.Client) (*prom.Source, error) {
	if p.bulk.Query != "" {
		return c.Bulk(p.bulk)
	}
	return c.Preset(p.preset)
}

// client connects to nothing yet; log and reg may be nil.
func (p *prometheusFlags) client(log *slog.Logger, reg prometheus.Registerer) (*prom.Client, error) {
	return prom.New(p.Config, log, reg)
}

// parts takes joined errors apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// pairs reads NAME=VALUE and adds what is wrong to errs. Values may be secrets,
// so messages leave them out.
func pairs(flag string, list []string, errs []error) (map[string]string, []error) {
	m := make(map[string]string, len(list))
	for i, s := range list {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			errs = append(errs, fmt.Errorf("%s, the one at place %d: want NAME=VALUE", flag, i+1))
			continue
		}
		if _, twice := m[name]; twice {
			errs = append(errs, fmt.Errorf("%s %s: want each name once", flag, name))
		}
		m[name] = value
	}
	return m, errs
}
