package fat

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"
)

const entrySize = 32

// Entry is a file or directory.
type Entry struct {
	Name    string // the long name where there is one
	Alias   string // the short name, by which it is found too
	Dir     bool
	Size    int64     // bytes; 0 for a directory
	ModTime time.Time // FAT knows no time zone: the digits, taken as UTC

	first uint32
	root  bool
}

// Root is the root directory.
func (v *Volume) Root() Entry {
	return Entry{Name: ".", Dir: true, first: v.rootCluster, root: true}
}

// Start is the first cluster, by which a directory is told from another; 0 is none.
func (e Entry) Start() uint32 { return e.first }

// Attributes of an entry.
const (
	attrLabel = 0x08
	attrDir   = 0x10
	attrLong  = 0x0f // a part of a long name
	attrMask  = 0x3f
)

// ReadDir lists a directory in the order on the disk, without `.` and `..`. An entry whose long
// name could be no file's has its short name; one without any is passed over.
func (v *Volume) ReadDir(dir Entry) ([]Entry, error) {
	b, err := v.directoryBytes(dir)
	if err != nil {
		return nil, err
	}
	var list []Entry
	var long longName
	for ; len(b) >= entrySize && b[0] != 0; b = b[entrySize:] {
		raw := b[:entrySize]
		switch attr := raw[11]; {
		case raw[0] == 0xe5: // deleted
			long.reset()
		case attr&attrMask == attrLong:
			long.add(raw)
		case attr&attrLabel != 0:
			long.reset()
		default:
			if e, ok := v.entry(raw, &long); ok {
				list = append(list, e)
			}
			long.reset()
		}
	}
	return list, nil
}

func (v *Volume) entry(raw []byte, long *longName) (Entry, bool) {
	e := Entry{
		Alias:   shortName(raw),
		Dir:     raw[11]&attrDir != 0,
		ModTime: modTime(raw),
		first:   uint32(binary.LittleEndian.Uint16(raw[26:])),
	}
	if v.width == 32 {
		e.first |= uint32(binary.LittleEndian.Uint16(raw[20:])) << 16
	}
	if !e.Dir {
		e.Size = int64(binary.LittleEndian.Uint32(raw[28:]))
	}
	e.Name = e.Alias
	if name, ok := long.name(checksum(raw)); ok && usable(name) {
		e.Name = name
	}
	return e, usable(e.Name)
}

// usable refuses names that mean something else to a path.
func usable(name string) bool {
	return name != "" && name != "." && name != ".." &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '/' || r == '\\' })
}

// shortName reads an 8.3 name, in the letter case that Windows NT's flags give it.
func shortName(raw []byte) string {
	const lowerBase, lowerExtension = 0x08, 0x10
	part := func(b []byte, lower bool) string {
		var s strings.Builder
		for i, c := range b {
			switch {
			case i == 0 && c == 0x05: // stands for 0xE5, which would mark it deleted
				s.WriteRune('\uFFFD')
			case c >= 0x80:
				s.WriteRune('\uFFFD')
			case lower && c >= 'A' && c <= 'Z':
				s.WriteByte(c + 'a' - 'A')
			default:
				s.WriteByte(c)
			}
		}
		return strings.TrimRight(s.String(), " ")
	}
	name := part(raw[:8], raw[12]&lowerBase != 0)
	if extension := part(raw[8:11], raw[12]&lowerExtension != 0); extension != "" {
		name += "." + extension
	}
	return name
}

func modTime(raw []byte) time.Time {
	clock, date := binary.LittleEndian.Uint16(raw[22:]), binary.LittleEndian.Uint16(raw[24:])
	return time.Date(1980+int(date>>9), time.Month(date>>5&0xf), int(date&0x1f),
		int(clock>>11), int(clock>>5&0x3f), int(clock&0x1f)*2, 0, time.UTC)
}

// longName gathers the parts of a long name, which stand before its entry, the last first.
type longName struct {
	left   int // parts still to come; 0: complete
	total  int
	sum    byte
	parts  [20 * partLen]uint16
	broken bool
}

const partLen = 13 // UTF-16 units

func (l *longName) reset() { l.total, l.left, l.broken = 0, 0, false }

func (l *longName) add(raw []byte) {
	const lastPart = 0x40
	number := int(raw[0] &^ lastPart)
	if raw[0]&lastPart != 0 {
		l.reset()
		l.left, l.total, l.sum = number, number, raw[13]
	}
	if number < 1 || number*partLen > len(l.parts) || number != l.left || raw[13] != l.sum {
		l.broken = true
		return
	}
	l.left--
	part := l.parts[l.left*partLen:]
	for i := range partLen {
		at := 1 + 2*i
		switch {
		case i >= 11:
			at = 28 + 2*(i-11)
		case i >= 5:
			at = 14 + 2*(i-5)
		}
		part[i] = binary.LittleEndian.Uint16(raw[at:])
	}
}

// name is the whole name, where the parts belong to the entry with this checksum.
func (l *longName) name(sum byte) (string, bool) {
	if l.total == 0 || l.left != 0 || l.broken || l.sum != sum {
		return "", false
	}
	units := l.parts[:l.total*partLen]
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	return string(utf16.Decode(units)), true
}

func checksum(raw []byte) byte {
	var sum byte
	for _, c := range raw[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}
