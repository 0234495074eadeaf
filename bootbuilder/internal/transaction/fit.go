package transaction

import (
	"bytes"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Pad ends a text with newlines, up to the end of its last sector. systemd-boot passes over empty lines; and an entry of whole
// sectors can be changed in place, and be blank.
func Pad(text []byte) []byte {
	n := len(bytes.TrimRight(text, "\n")) + 1
	return padTo(text, (n+esp.SectorSize-1)/esp.SectorSize*esp.SectorSize)
}

// padTo ends a text with newlines so that it has that size, if it is not longer; with one at least.
func padTo(text []byte, size int) []byte {
	text = bytes.TrimRight(text, "\n")
	return slices.Concat(text, bytes.Repeat([]byte("\n"), max(1, size-len(text))))
}

// Fit changes the blank part of text so that a file that holds old can be made to hold it by writing one sector: newlines at the
// end, or blanks behind the line that changed. grow is the length to which the file has to be brought with
// newlines before. ok is false where there is no such way.
func Fit(old, text []byte) (fitted []byte, grow int, ok bool) {
	for _, size := range []int{len(old), len(padTo(text, 0))} {
		fitted = padTo(text, size)
		if size < len(old) || len(fitted) != size {
			continue
		}
		if _, ok := oneSector(extend(old, size), fitted); ok {
			return fitted, size, true
		}
	}
	same := 0
	for same < min(len(old), len(text)) && old[same] == text[same] {
		same++
	}
	blanks := len(old) - len(text)
	line := bytes.IndexByte(text[same:], '\n')
	if blanks < 0 || line < 0 {
		return nil, 0, false
	}
	fitted = slices.Concat(text[:same+line], bytes.Repeat([]byte(" "), blanks), text[same+line:])
	_, ok = oneSector(old, fitted)
	return fitted, len(old), ok
}

// extend is what a file holds that is brought to a length with newlines.
func extend(old []byte, size int) []byte {
	return slices.Concat(old, bytes.Repeat([]byte("\n"), max(0, size-len(old))))
}

// patch is a part of a file, within one sector.
type patch struct {
	offset int64
	text   []byte
}

// oneSector gives what to write so that old becomes text, which is as long, if one sector is enough.
func oneSector(old, text []byte) (patch, bool) {
	list := sectors(old, text)
	switch len(list) {
	case 0:
		return patch{}, true
	case 1:
		return list[0], true
	}
	return patch{}, false
}

// sectors are those in which two texts of one length differ.
func sectors(old, text []byte) []patch {
	var list []patch
	for at := 0; at < len(text); at += esp.SectorSize {
		end := min(at+esp.SectorSize, len(text))
		if !bytes.Equal(old[at:end], text[at:end]) {
			list = append(list, patch{int64(at), text[at:end]})
		}
	}
	return list
}

// isBlank reports whether a text says nothing, whichever of its sectors are replaced: it has newlines, and one comment at most,
// which lies in one sector.
func isBlank(text []byte) bool {
	rest := bytes.TrimLeft(text, "\n\x00")
	at := len(text) - len(rest)
	rest = bytes.TrimRight(rest, "\n\x00")
	return len(rest) == 0 ||
		rest[0] == '#' && !bytes.ContainsAny(rest, "\n\x00") && at/esp.SectorSize == (at+len(rest))/esp.SectorSize
}

// blank is a text of that length that says nothing.
func blank(size int) []byte { return bytes.Repeat([]byte("\n"), size) }

// remarked is a text of that length that says nothing, with a comment on a line of its own if it is long enough for that.
func remarked(size int, remark string) []byte {
	text := blank(size)
	if remark != "" && size >= len(remark)+2 {
		copy(text[1:], remark)
	}
	return text
}

// deciding is the sector in which an entry's text begins to name something to start: without it, the others are no entry.
func deciding(text []byte) int64 {
	at := 0
	for line := range bytes.Lines(text) {
		if key := bytes.Fields(line); len(key) > 0 && slices.Contains(esp.Programs(), string(key[0])) {
			return int64(at / esp.SectorSize * esp.SectorSize)
		}
		at += len(line)
	}
	return 0
}
