package bootbuilder

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// compareWithPlan finds what differs from what an install would write now: damage that
// still parses.
func (i *inspector) compareWithPlan(ctx context.Context, options InspectOptions) error {
	for _, lay := range i.layouts() {
		o := Options{Root: options.Root, Layout: lay, Default: DefaultKeep}
		if lay == LayoutUnified && i.cert != nil {
			o.Signer = certOnly{i.cert}
		}
		p, err := NewPlan(ctx, i.target, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			i.result.Problems = append(i.result.Problems, fmt.Sprintf("an install would fail: %v", err))
			continue
		}
		for _, b := range p.bundles {
			i.compareBundle(lay, b)
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

// layouts are those that are in use.
func (i *inspector) layouts() []Layout {
	var list []Layout
	for _, lay := range []Layout{LayoutShared, LayoutEmbedded, LayoutUnified} {
		for _, e := range i.stock.entries {
			if e.layout == lay {
				list = append(list, lay)
				break
			}
		}
	}
	return list
}

func (i *inspector) compareBundle(lay Layout, b *bundle) {
	for n, e := range i.stock.entries {
		status := &i.result.Entries[n]
		if e.layout != lay || !strings.EqualFold(e.id, b.gen.ID) || len(status.Problems) > 0 {
			continue
		}
		if e.layout == LayoutEmbedded && e.unsummed {
			i.result.Notes = append(i.result.Notes, fmt.Sprintf(
				"%s: made by nixpkgs' script; an install makes it anew", i.target.Boot.Path(e.image)))
			continue
		}
		for _, f := range b.all() {
			if f.exists && !f.current {
				status.Problems = append(status.Problems, fmt.Sprintf(
					"%s: is not what an install would write now", i.target.Boot.Path(f.name)))
			}
		}
	}
}

// certOnly stands for a signer whose key is not at hand: it tells which images are its own.
type certOnly struct{ cert *x509.Certificate }

func (c certOnly) Certificate() *x509.Certificate { return c.cert }

func (c certOnly) SignDigest([sha256.Size]byte) ([]byte, error) {
	return nil, errors.New("there is no key to sign with")
}
