package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// court asks a real systemd-boot what it starts on machines that are gone by then.
type court struct {
	dir        string
	name, file string // of the systemd-boot
	mu         sync.Mutex
	cases      []courtCase
}

type courtCase struct {
	row, want string
	esp, boot string
	choice    firmware.Choice
}

// hear takes a machine's partitions as they are.
func (c *court) hear(m *rowMachine, row, want string) {
	m.t.Helper()
	if c.file == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := courtCase{row: row, want: want, esp: filepath.Join(c.dir, fmt.Sprint(len(c.cases)), "esp")}
	m.must(os.CopyFS(k.esp, os.DirFS(m.esp)))
	if m.boot != "" {
		k.boot = filepath.Join(filepath.Dir(k.esp), "boot")
		m.must(os.CopyFS(k.boot, os.DirFS(m.boot)))
	}
	conf := regexp.MustCompile(`(?m)^timeout .*\n`).ReplaceAllString(m.read("loader/loader.conf"), "timeout 0\n")
	k.choice = firmware.Choice{
		Loader: c.name, Conf: conf, OneShot: m.vars["LoaderEntryOneShot"], Preferred: m.vars["LoaderEntryPreferred"],
		Default: m.vars["LoaderEntryDefault"], LastBooted: m.vars["LoaderEntryLastBooted"],
	}
	c.cases = append(c.cases, k)
}

// judge holds what systemd-boot starts against what is wanted: all machines with one partition in one session.
func (c *court) judge(t *testing.T) {
	t.Helper()
	firmware.NeedChoose(t)
	judging.Lock()
	defer judging.Unlock()
	loaders := map[string]string{c.name: c.file}
	var trees []string
	var choices []firmware.Choice
	var asked []courtCase
	answered := func(k courtCase, id string) {
		if got := strings.ToLower(cutCounter(id)); got != strings.ToLower(k.want) {
			t.Errorf("%s: systemd-boot %s starts %q, want %q, by %+v", k.row, c.name, got, k.want, k.choice)
		}
	}
	for _, k := range c.cases {
		if k.boot != "" {
			ids, err := firmware.ChooseExtended(t.Context(), k.esp, k.boot, loaders, []firmware.Choice{k.choice})
			if err != nil {
				t.Fatal(err)
			}
			answered(k, ids[0])
			continue
		}
		k.choice.Tree = len(trees)
		trees, choices, asked = append(trees, k.esp), append(choices, k.choice), append(asked, k)
	}
	ids, err := firmware.ChooseAmong(t.Context(), trees, loaders, choices)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		answered(asked[i], id)
	}
	t.Logf("systemd-boot %s was asked about %d machines", c.name, len(c.cases))
}

// judging keeps it to one virtual machine at a time.
var judging sync.Mutex
