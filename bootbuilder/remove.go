package bootbuilder

import (
	"context"
)

// NewRemoval is the plan that takes every Xen entry and payload of ours away, and gives
// loader.conf its NixOS default back: for when Xen is switched off. It needs no root: what
// goes is decided by what is on $BOOT alone.
func NewRemoval(target Target) (*Plan, error) {
	p := &Plan{
		target:  target,
		options: Options{Default: DefaultNixOS, From: FromAuto},
		in:      newInputs(nil, target.Boot),
		removal: true,
	}
	if err := p.fillRemoval(); err != nil {
		return nil, fileHint(err)
	}
	return p, nil
}

func (p *Plan) fillRemoval() error {
	var err error
	if p.stock, err = readStock(p.target); err != nil {
		return err
	}
	if p.Generations, err = fromBoot(p.target.Boot); err != nil {
		return err
	}
	for _, g := range p.Generations {
		g.Out = &Out{Reason: NotSelected}
	}
	if err := p.readLoaderConf(); err != nil {
		return err
	}
	if err := p.findStale(); err != nil {
		return err
	}
	p.planLoaderConf()
	return nil
}

// Remove locks $BOOT, makes a plan with [NewRemoval] and applies it.
func Remove(ctx context.Context, target Target, observer Observer) (*Plan, error) {
	unlock, err := lockWaiting(ctx, target)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := NewRemoval(target)
	if err != nil {
		return nil, err
	}
	return p, p.Apply(ctx, observer)
}
