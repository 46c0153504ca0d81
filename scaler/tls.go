package scaler

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// TLSFiles names the PEM files of a server's TLS. The zero TLSFiles means no
// TLS.
type TLSFiles struct {
	// Cert and Key are the server's certificate chain and private key.
	Cert, Key string
	// ClientCA is the authority that a client's certificate must come from;
	// empty asks for none. Without it anybody who reaches the port can ask for
	// any namespace.
	ClientCA string
}

// Config gives a TLS configuration that follows the files: they are read again
// at each handshake, of which KEDA makes one a connection, so a certificate
// that was renewed serves from the next connection on. Files that cannot be
// used at that moment leave the last good ones serving, with a warning to log,
// which may be nil.
func (f TLSFiles) Config(log *slog.Logger) (*tls.Config, error) {
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
	first, err := f.read()
	if err != nil {
		return nil, err
	}
	var good atomic.Pointer[tls.Config]
	good.Store(first)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := f.read()
			if err != nil {
				log.Warn("certificate files cannot be used; the last good ones serve", "err", err)
				return good.Load(), nil
			}
			good.Store(c)
			return c, nil
		},
	}, nil
}

// read gives the configuration that the files make now. The error has all that
// is wrong with them.
func (f TLSFiles) read() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		err = fmt.Errorf("load certificate %q with key %q: %w", f.Cert, f.Key, err)
	}
	c.Certificates = []tls.Certificate{cert}
	if f.ClientCA == "" {
		return c, err
	}
	pem, caErr := os.ReadFile(f.ClientCA)
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if caErr == nil && !c.ClientCAs.AppendCertsFromPEM(pem) {
		caErr = errors.New("no certificate in it")
	}
	if caErr != nil {
		caErr = fmt.Errorf("load client authority %q: %w", f.ClientCA, caErr)
	}
	return c, errors.Join(err, caErr)
}
