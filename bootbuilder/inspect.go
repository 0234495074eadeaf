package bootbuilder

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Inspection is what stands on $BOOT, as [List] and [Verify] see it.
type Inspection struct {
	Schema  int           `json:"schema"`
	ESP     string        `json:"esp"`
	Boot    string        `json:"boot"`
	Entries []EntryStatus `json:"entries"`
	// Problems are of the partition as a whole, not of one entry.
	Problems []string `json:"problems"`
	// Notes are what is no problem, but not as it should be: leftovers, unused payload.
	Notes []string `json:"notes"`
	Error string   `json:"error,omitempty"`
	Hint  string   `json:"hint,omitempty"`
}

// EntryStatus is one Xen entry.
type EntryStatus struct {
	ID         string   `json:"id"` // what loader.conf calls it
	Title      string   `json:"title,omitempty"`
	Version    string   `json:"version,omitempty"`
	XenVersion string   `json:"xenVersion,omitempty"`
	Layout     Layout   `json:"layout,omitempty"`
	Size       int64    `json:"size"` // bytes of all that it needs on $BOOT, shared or not
	Default    bool     `json:"default"`
	Image      string   `json:"image,omitempty"`
	Toplevel   string   `json:"toplevel,omitempty"`
	Problems   []string `json:"problems"` // empty: it can boot
}

// EmptyInspection is of an ESP that could not be looked at.
func EmptyInspection(esp string, err error) *Inspection {
	return &Inspection{
		Schema: ReportSchema, ESP: esp, Boot: esp, Error: err.Error(), Hint: Hint(err),
		Entries: []EntryStatus{}, Problems: []string{}, Notes: []string{},
	}
}

// OK reports whether nothing at all is wrong.
func (i *Inspection) OK() bool {
	return len(i.Problems) == 0 && !slices.ContainsFunc(i.Entries, func(e EntryStatus) bool { return len(e.Problems) > 0 })
}

// InspectOptions say what [Verify] holds the entries against.
type InspectOptions struct {
	// Root is the root directory of the NixOS system; "" leaves the store out.
	Root string
	// Certificate verifies signed images; nil leaves signatures out.
	Certificate *x509.Certificate
}

// List reads the Xen entries on $BOOT, and looks whether what they name is there.
func List(target Target) (*Inspection, error) {
	i, _, err := newInspector(target)
	if err != nil {
		return nil, err
	}
	for _, e := range i.stock.entries {
		i.result.Entries = append(i.result.Entries, i.status(e))
	}
	return i.result, nil
}

// inspector reads $BOOT for [List] and [Verify].
type inspector struct {
	target Target
	root   *nixroot.Root // nil: without the store
	cert   *x509.Certificate
	in     *inputs // what entries share is read and hashed once
	stock  *stock
	result *Inspection
	// defaults are the values of loader.conf that choose an entry.
	defaults []string
}

func newInspector(target Target) (*inspector, *Inspection, error) {
	i := &inspector{target: target, result: &Inspection{
		Schema: ReportSchema, ESP: target.ESP.Path("."), Boot: target.Boot.Path("."),
		Entries: []EntryStatus{}, Problems: []string{}, Notes: []string{},
	}}
	var err error
	if i.stock, err = readStock(target); err != nil {
		return nil, nil, fileHint(err)
	}
	text, err := esp.ReadFile(target.ESP, loaderConf, maxLoaderConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fileHint(err)
	}
	conf := esp.ParseLoaderConf(text)
	for _, key := range []string{"preferred", "default"} {
		if value, ok := conf.Get(key); ok {
			i.defaults = append(i.defaults, value)
		}
	}
	return i, i.result, nil
}

// status describes an entry, with the first thing that keeps it from booting.
func (i *inspector) status(e *installed) EntryStatus {
	s := EntryStatus{
		ID: e.entryID, Layout: e.layout, Image: i.target.Boot.Path(e.image),
		XenVersion: versionOfImage(e), Problems: []string{},
		Default: slices.ContainsFunc(i.defaults, func(value string) bool { return esp.MatchPattern(value, e.entryID) }),
	}
	if e.parsed != nil {
		s.Title, _ = e.parsed.Get("title")
		s.Version, _ = e.parsed.Get("version")
	} else {
		s.Title, s.Version = e.release["PRETTY_NAME"], e.release["VERSION_ID"]
	}
	if init, ok := esp.InitParam(e.cfg.CmdLine); ok {
		s.Toplevel = path.Dir(init)
	}
	for _, ref := range e.refs {
		if info, err := i.target.Boot.Stat(ref); err == nil {
			s.Size += info.Size()
		}
	}
	if e.broken != nil {
		s.Problems = append(s.Problems, e.broken.Error())
	}
	return s
}

// versionOfImage reads Xen's version off the name of a shared image; other layouts don't note it.
func versionOfImage(e *installed) string {
	if e.layout != LayoutShared {
		return ""
	}
	base := strings.TrimPrefix(strings.TrimSuffix(path.Base(e.image), ".efi"), "xen-")
	if cut := strings.LastIndex(base, "-"); cut > 0 {
		return base[:cut]
	}
	return ""
}

// Verify reads every Xen entry as systemd-boot and Xen would, and says whether it can boot.
// It also holds what is there against what an install would write now.
func Verify(ctx context.Context, target Target, options InspectOptions) (*Inspection, error) {
	i, result, err := newInspector(target)
	if err != nil {
		return nil, err
	}
	i.cert = options.Certificate
	if options.Root != "" {
		if i.root, err = nixroot.Open(options.Root); err != nil {
			return nil, WithHint(err, "--root is where the NixOS system is mounted")
		}
		defer i.root.Close()
	}
	i.in = newInputs(i.root, target.Boot)
	for _, e := range i.stock.entries {
		s := i.status(e)
		if e.broken == nil {
			problems, err := i.examine(ctx, e)
			if err != nil {
				return nil, err
			}
			s.Problems = append(s.Problems, problems...)
		}
		result.Entries = append(result.Entries, s)
	}
	i.examinePartition()
	if i.root != nil {
		if err := i.compareWithPlan(ctx, options); err != nil {
			return nil, err
		}
	}
	return result, nil
}
