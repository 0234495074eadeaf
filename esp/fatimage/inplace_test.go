package fatimage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInPlace does what a writer in place does: it changes what the image holds and what is new, drops, and renames a directory
// that is in the making.
func TestInPlace(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 20<<20, "-F", "16")
	boot := open(t, image).ESP()
	write(t, boot, "loader/old.conf", "old content")
	write(t, boot, "loader/gone.conf", "gone")
	check(t, boot.Sync())

	w, err := boot.Update("loader/OLD.conf")
	check(t, err)
	_, err = w.WriteAt([]byte("new"), 0)
	check(t, err)
	check(t, w.Allocate(1<<20)) // takes nothing: only Sync writes to the image
	check(t, w.Send())
	check(t, w.Close())
	n, err := boot.Create("loader/new.conf")
	check(t, err)
	_, err = n.Write([]byte("\n\n\n\n"))
	check(t, err)
	check(t, n.Close())
	n, err = boot.Update("loader/new.conf")
	check(t, err)
	_, err = n.WriteAt([]byte("text and more"), 0)
	check(t, err)
	check(t, n.Truncate(4))
	check(t, n.Close())
	held, err := boot.Drop("loader/gone.conf")
	check(t, err)
	check(t, held.Close())
	before := read(t, image)
	check(t, boot.Mkdir("XENBB000.TMP"))
	f, err := boot.Create("XENBB000.TMP/name")
	check(t, err)
	check(t, f.Close())
	check(t, boot.Remove("XENBB000.TMP/name"))
	check(t, boot.FlushTables())
	check(t, boot.Rename("XENBB000.TMP", "EFI"))
	write(t, boot, "EFI/file", "in it")
	check(t, boot.Flush())
	if string(before) != string(read(t, image)) {
		t.Error("the image changed before Sync")
	}
	check(t, boot.Sync())
	want := map[string]string{
		"loader/": "", "loader/old.conf": "new content", "loader/new.conf": "text",
		"EFI/": "", "EFI/file": "in it",
	}
	if d := cmp.Diff(want, unpack(t, image)); d != "" {
		t.Errorf("mtools sees something else (-want +got):\n%s", d)
	}
	fsck(t, image)
	if err := boot.Rename("EFI", "efi2"); err == nil {
		t.Error("a directory of the image was renamed, which mtools can't do")
	}
	if _, err := boot.Update("EFI"); err == nil {
		t.Error("a directory can be updated")
	}
}
