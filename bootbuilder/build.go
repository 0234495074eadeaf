package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// build makes the files of each generation that is in.
func (p *Plan) build(ctx context.Context) error {
	lay := p.layout()
	planned := make(map[string]*file)
	for _, g := range p.Generations {
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.Out != nil {
			continue
		}
		b, err := p.buildOne(ctx, lay, g, planned)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var n needError
			if !errors.As(err, &n) {
				n = needError{ImageInvalid, err}
			}
			g.out(n.reason, n.err)
			continue
		}
		p.bundles = append(p.bundles, b)
		p.advise(b)
	}
	return p.collectWrites(ctx)
}

func (p *Plan) layout() layout {
	switch p.options.Layout {
	case LayoutEmbedded:
		return embeddedLayout
	case LayoutUnified:
		return unifiedLayout(p.options.Signer)
	}
	return sharedLayout
}

// buildOne makes one generation's files, all or none, and shares those that an earlier
// generation made too.
func (p *Plan) buildOne(ctx context.Context, lay layout, g *Generation, planned map[string]*file) (*bundle, error) {
	if err := g.checkHashes(ctx, p.in); err != nil {
		return nil, need(PayloadMissing, err)
	}
	b, err := lay(ctx, p.in, g)
	if err != nil {
		return nil, err
	}
	for _, f := range b.all() {
		if info, err := f.standing(p.target.Boot); err == nil && !info.Mode().IsRegular() {
			return nil, need(Collision, &fs.PathError{Op: "write", Path: p.target.Boot.Path(f.name), Err: esp.ErrNotRegular})
		}
		if p.stock.foreign[strings.ToLower(f.name)] {
			return nil, need(Collision, fmt.Errorf("%s: %w", p.target.Boot.Path(f.name), errForeign))
		}
		if other, ok := planned[strings.ToLower(f.name)]; ok && other.key != f.key {
			return nil, need(Collision, fmt.Errorf("%s would have to hold two different contents", p.target.Boot.Path(f.name)))
		}
	}
	// What an earlier generation needs too is one file, decided on and written once.
	for i, f := range b.files {
		b.files[i] = sharedFile(planned, f)
	}
	if b.entry != nil {
		b.entry = sharedFile(planned, b.entry)
	}
	return b, nil
}

func sharedFile(planned map[string]*file, f *file) *file {
	name := strings.ToLower(f.name)
	if other, ok := planned[name]; ok {
		return other
	}
	planned[name] = f
	return f
}

// checkHashes holds the files that a Lanzaboote stub names against its hashes.
func (g *Generation) checkHashes(ctx context.Context, in *inputs) error {
	for _, f := range append([]bootFile{g.kernel}, g.initrds...) {
		want, ok := g.hashes[f]
		if !ok {
			continue
		}
		c, err := in.sum(ctx, f)
		if err != nil {
			return err
		}
		if c.sum != want {
			return fmt.Errorf("%s does not hold what the stub %s says (SHA-256 differs)", in.path(f), in.boot.Path(g.File))
		}
	}
	return nil
}

// collectWrites compares what is planned with what stands, and orders what is to be written:
// payload before entries, each in the order of its generations.
func (p *Plan) collectWrites(ctx context.Context) error {
	var entries []*file
	seen := make(map[*file]bool)
	for _, b := range p.bundles {
		for _, f := range b.all() {
			if seen[f] {
				continue
			}
			seen[f] = true
			if err := p.compare(ctx, f); err != nil {
				return err
			}
			switch {
			case f.current:
			case f.kind == KindEntry:
				entries = append(entries, f)
			default:
				p.writes = append(p.writes, f)
			}
		}
	}
	p.writes = append(p.writes, entries...)
	return nil
}

// compare decides whether a file has to be written.
func (p *Plan) compare(ctx context.Context, f *file) error {
	info, err := f.standing(p.target.Boot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.exists = true
	if info.Size() == 0 {
		return nil // what is left of a write that was cut off
	}
	f.current, err = f.same(ctx)
	return err
}
