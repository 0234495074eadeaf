package transaction_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// benchDir names the directory to write to: a vfat that is mounted there, say. Without it, a temporary one.
const benchDir = "XBB_BENCH_DIR"

// BenchmarkInstall writes the files of 50 generations in each layout: as cp and sync do, in the order of the first version (staged,
// synced, renamed, directories synced), and as here.
func BenchmarkInstall(b *testing.B) {
	const generations = 50
	image := bytes.Repeat([]byte("Xen "), 700_000)
	shared := map[string][]byte{"EFI/xen/xen.efi": image}
	embedded, unified := map[string][]byte{}, map[string][]byte{}
	for n := range generations {
		entry := fmt.Sprintf("loader/entries/xen-generation-%d.conf", n)
		text := transaction.Pad(fmt.Appendf(nil, "title %d\nefi /EFI/xen/xen.efi\n", n))
		shared[fmt.Sprintf("EFI/xen/xen-generation-%d-0123456789abcdef.cfg", n)] = text[:200]
		shared[entry], embedded[entry] = text, text
		embedded[fmt.Sprintf("EFI/xen/xen-generation-%d-0123456789abcdef.efi", n)] = image
		unified[fmt.Sprintf("EFI/Linux/xen-generation-%d-0123456789abcdef.efi", n)] = image
	}
	for _, l := range []struct {
		name  string
		files map[string][]byte
	}{{"shared", shared}, {"embedded", embedded}, {"unified", unified}} {
		for _, way := range []struct {
			name string
			run  func(d *esp.Dir, dir string, files map[string][]byte) error
		}{{"cp and sync", copyAll}, {"staged and renamed", renameAll}, {"steps", stepAll}} {
			b.Run(l.name+"/"+way.name, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					dir := os.Getenv(benchDir)
					if dir == "" {
						dir = b.TempDir()
					}
					for _, sub := range []string{"EFI", "loader"} {
						if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
							b.Fatal(err)
						}
					}
					if err := os.MkdirAll(filepath.Join(dir, "loader/entries"), 0o755); err != nil {
						b.Fatal(err)
					}
					if err := os.Mkdir(filepath.Join(dir, "EFI"), 0o755); err != nil {
						b.Fatal(err)
					}
					d, err := esp.OpenDir(dir)
					if err != nil {
						b.Fatal(err)
					}
					if err := d.Flush(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					if err := way.run(d, dir, l.files); err != nil {
						b.Fatal(err)
					}
					d.Close()
				}
			})
		}
	}
}

func copyAll(d *esp.Dir, dir string, files map[string][]byte) error {
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return d.Sync()
}

func renameAll(d *esp.Dir, _ string, files map[string][]byte) error {
	for name, text := range files {
		if err := esp.MkdirAll(d, path.Dir(name)); err != nil {
			return err
		}
		if err := esp.WriteBytes(d, name, text); err != nil {
			return err
		}
	}
	for _, dir := range []string{"EFI", "loader/entries"} {
		if err := d.SyncDir(dir); err != nil {
			return err
		}
	}
	return d.Sync()
}

func stepAll(d *esp.Dir, _ string, files map[string][]byte) error {
	c := transaction.Change{ESP: d, Boot: d}
	for name, text := range files {
		w := transaction.Write{Place: transaction.Place{FS: d, Name: name}, Size: int64(len(text)), Text: text}
		switch path.Dir(name) {
		case "loader/entries":
			w.Kind = transaction.Entry
		case "EFI/Linux":
			w.Kind = transaction.Image
		}
		c.Writes = append(c.Writes, w)
	}
	steps, err := transaction.Plan(c)
	if err != nil {
		return err
	}
	_, err = steps.Run(context.Background(), transaction.Observer{})
	return err
}
