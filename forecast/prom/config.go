package prom

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/net/http/httpguts"

	"github.com/foretide/foretide/forecast"
)

// Limits and defaults of a Config.
const (
	// MaxPageSteps is what Prometheus allows a series in one answer.
	MaxPageSteps = 11000
	// DefaultPageSteps is a day. A bulk query of a thousand workloads then
	// answers with a million and a half points a page.
	DefaultPageSteps = 24 * 60
	// DefaultTimeout bounds one attempt.
	DefaultTimeout = 30 * time.Second
)

// Config says where the metrics are and how to be let in. Every file it names
// is read again when it changes, so rotated credentials need no restart.
type Config struct {
	// URL is the API's root, such as "http://prometheus:9090" or, with a
	// prefix, "https://mimir/prometheus". A query part is sent along.
	URL string
	// BearerTokenFile holds a token that is sent as a bearer. It excludes
	// Username.
	BearerTokenFile string
	// Username and PasswordFile are for basic authentication, both or neither.
	Username, PasswordFile string
	// Headers are sent as they are; of HeaderFiles, the trimmed content is. A
	// name may be in one of them only.
	Headers, HeaderFiles map[string]string
	// CAFile holds the certificates that may have signed the server's; without
	// it the system's are trusted.
	CAFile string
	// CertFile and KeyFile are the client's certificate, both or neither.
	CertFile, KeyFile string
	// ServerName is the name to expect in the server's certificate, where it is
	// not the host of URL.
	ServerName string
	// InsecureSkipVerify accepts any certificate. For trying things out.
	InsecureSkipVerify bool

	// Window is the time a rate is averaged over: at least [forecast.Step] and
	// four scrape intervals. 0 finds it from the store.
	Window time.Duration
	// PageSteps is how many steps one range query asks for, up to
	// MaxPageSteps; 0 is DefaultPageSteps. A page the store refuses as too
	// large is halved by itself.
	PageSteps int
	// Timeout bounds one attempt of a query, so that one that hangs can be
	// tried again; 0 is DefaultTimeout. The context bounds all attempts.
	Timeout time.Duration
}

// Check names every field that is wrong, and what would be right. It opens the
// files, but connects to nothing.
func (c Config) Check() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s %q: want %s", field, fmt.Sprint(value), want))
	}
	u, err := url.Parse(c.URL)
	secure := err == nil && u.Scheme == "https"
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && !secure:
		bad("URL", redact(c.URL), "http:// or https:// and a host")
	case u.User != nil:
		bad("URL", u.Redacted(), "no credentials in it, Username and PasswordFile are for that")
	}
	if c.BearerTokenFile != "" && c.Username != "" {
		bad("BearerTokenFile", c.BearerTokenFile, "none beside Username")
	}
	if (c.Username == "") != (c.PasswordFile == "") {
		bad("Username", c.Username, "one exactly where PasswordFile is set")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		bad("CertFile", c.CertFile, "one exactly where KeyFile is set")
	}
	for _, f := range []struct {
		field, value string
		tls          bool
	}{
		{"BearerTokenFile", c.BearerTokenFile, false},
		{"PasswordFile", c.PasswordFile, false},
		{"CAFile", c.CAFile, true},
		{"CertFile", c.CertFile, true},
		{"KeyFile", c.KeyFile, true},
	} {
		if f.value == "" {
			continue
		}
		if _, err := os.ReadFile(f.value); err != nil {
			bad(f.field, f.value, fmt.Sprintf("a file that can be read: %v", err))
		}
		if f.tls && !secure {
			bad(f.field, f.value, "none without an https:// URL")
		}
	}
	for _, headers := range []struct {
		field  string
		values map[string]string
	}{{"Headers", c.Headers}, {"HeaderFiles", c.HeaderFiles}} {
		for _, name := range slices.Sorted(maps.Keys(headers.values)) {
			value := headers.values[name]
			if !httpguts.ValidHeaderFieldName(name) {
				bad(headers.field, name, "the name of an HTTP header")
			}
			if headers.field == "Headers" && !httpguts.ValidHeaderFieldValue(value) {
				bad(headers.field, name, "a value without control characters")
			}
			if headers.field == "HeaderFiles" {
				if _, err := os.ReadFile(value); err != nil {
					bad(headers.field, name, fmt.Sprintf("a file that can be read: %v", err))
				}
				if _, twice := c.Headers[name]; twice {
					bad(headers.field, name, "a header that is not in Headers")
				}
			}
		}
	}
	if headers := c.headers(); headers != nil {
		if err := headers.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("set headers: %w; credentials have fields of their own", err))
		}
	}
	if c.Window != 0 && c.Window < forecast.Step {
		bad("Window", c.Window, fmt.Sprintf("0 to find it, or at least %v", forecast.Step))
	}
	if c.PageSteps < 0 || c.PageSteps > MaxPageSteps {
		bad("PageSteps", c.PageSteps, fmt.Sprintf("from 1 to %d, or 0 for %d", MaxPageSteps, DefaultPageSteps))
	}
	if c.Timeout < 0 {
		bad("Timeout", c.Timeout, fmt.Sprintf("above 0, or 0 for %v", DefaultTimeout))
	}
	return errors.Join(errs...)
}

// http is the part of c that the HTTP client is made from.
func (c Config) http() config.HTTPClientConfig {
	h := config.HTTPClientConfig{
		FollowRedirects: true,
		EnableHTTP2:     true,
		ProxyConfig:     config.ProxyConfig{ProxyFromEnvironment: true},
		HTTPHeaders:     c.headers(),
		TLSConfig: config.TLSConfig{
			CAFile:             c.CAFile,
			CertFile:           c.CertFile,
			KeyFile:            c.KeyFile,
			ServerName:         c.ServerName,
			InsecureSkipVerify: c.InsecureSkipVerify,
		},
	}
	if c.BearerTokenFile != "" {
		h.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: c.BearerTokenFile}
	}
	if c.Username != "" {
		h.BasicAuth = &config.BasicAuth{Username: c.Username, PasswordFile: c.PasswordFile}
	}
	return h
}

func (c Config) headers() *config.Headers {
	if len(c.Headers)+len(c.HeaderFiles) == 0 {
		return nil
	}
	all := map[string]config.Header{}
	for name, value := range c.Headers {
		all[name] = config.Header{Values: []string{value}}
	}
	for name, file := range c.HeaderFiles {
		all[name] = config.Header{Files: []string{file}}
	}
	return &config.Headers{Headers: all}
}

func (c Config) pageSteps() int         { return cmp.Or(c.PageSteps, DefaultPageSteps) }
func (c Config) timeout() time.Duration { return cmp.Or(c.Timeout, DefaultTimeout) }

// redact keeps a password out of a message even where the URL is broken.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unparsable)"
	}
	return u.Redacted()
}
