package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"path"
	"sort"
	"strings"
	"unicode/utf16"
)

// state is a disk: a base and, for each sector, which write it is from (0: none).
type state struct {
	data []byte
	ver  []uint32
}

type volume struct {
	s         *state
	spc       int // sectors per cluster
	fatStart  int
	rootStart int // FAT16
	rootSecs  int
	dataStart int
	clusters  int
	bits      int
	rootClus  int
	owner     map[int]string // cluster -> first file seen on it
	crossed   map[string]bool
	hashed    map[uint64]string
	blobs     map[string][]byte
	wantBlobs bool
	dirClus   map[int]bool
}

const sec = 512

func open(s *state, hashed map[uint64]string) *volume {
	b := s.data[:sec]
	v := &volume{s: s, hashed: hashed}
	if binary.LittleEndian.Uint16(b[11:]) != sec {
		panic("sector size")
	}
	v.spc = int(b[13])
	v.fatStart = int(binary.LittleEndian.Uint16(b[14:]))
	nfat := int(b[16])
	rootEnt := int(binary.LittleEndian.Uint16(b[17:]))
	total := int(binary.LittleEndian.Uint16(b[19:]))
	if total == 0 {
		total = int(binary.LittleEndian.Uint32(b[32:]))
	}
	fatSecs := int(binary.LittleEndian.Uint16(b[22:]))
	if fatSecs == 0 {
		fatSecs = int(binary.LittleEndian.Uint32(b[36:]))
	}
	v.rootStart = v.fatStart + nfat*fatSecs
	v.rootSecs = rootEnt * 32 / sec
	v.dataStart = v.rootStart + v.rootSecs
	v.clusters = (total - v.dataStart) / v.spc
	switch {
	case v.clusters < 4085:
		panic("FAT12")
	case v.clusters < 65525:
		v.bits = 16
	default:
		v.bits = 32
		v.rootClus = int(binary.LittleEndian.Uint32(b[44:]))
	}
	return v
}

func (v *volume) next(c int) int {
	f := v.s.data[v.fatStart*sec:]
	if v.bits == 16 {
		n := int(binary.LittleEndian.Uint16(f[c*2:]))
		if n >= 0xfff8 {
			return -1
		}
		return n
	}
	n := int(binary.LittleEndian.Uint32(f[c*4:]) & 0x0fffffff)
	if n >= 0x0ffffff8 {
		return -1
	}
	return n
}

func (v *volume) sector(c int) int { return v.dataStart + (c-2)*v.spc }

func (v *volume) valid(c int) bool {
	return c >= 2 && c < v.clusters+2 && (v.sector(c)+v.spc)*sec <= len(v.s.data)
}

// node is a file or directory as it is found. Status is "" if all is in order.
type node struct {
	Name   string
	Dir    bool
	Size   int
	Start  int
	Sum    string
	Status string
}

// chain follows the FAT; status: "free" (the first cluster is marked free), "short", "bad", "loop".
func (v *volume) chain(start, want int) (list []int, status string) {
	seen := map[int]bool{}
	for c := start; want < 0 || len(list) < want; {
		if !v.valid(c) {
			return list, "bad"
		}
		if seen[c] {
			return list, "loop"
		}
		seen[c] = true
		n := v.next(c)
		if n == 0 {
			if c == start {
				status = "free"
			} else {
				return list, "short"
			}
		}
		list = append(list, c)
		if n == 0 && (want < 0 || len(list) < want) {
			return list, status + "short"
		}
		if n == -1 {
			if want >= 0 && len(list) < want {
				return list, "short"
			}
			return list, status
		}
		c = n
	}
	return list, status
}

func (v *volume) tree() []node {
	v.owner, v.crossed, v.dirClus = map[int]string{}, map[string]bool{}, map[int]bool{}
	var out []node
	var walk func(dir string, raw []byte, depth int)
	walk = func(dir string, raw []byte, depth int) {
		for _, n := range parseDir(raw) {
			n.Name = path.Join(dir, n.Name)
			if n.Dir {
				if depth > 8 {
					n.Status = "deep"
					out = append(out, n)
					continue
				}
				list, st := v.chain(n.Start, -1)
				n.Status = st
				v.own(n.Name, list)
				for _, c := range list {
					v.dirClus[c] = true
				}
				out = append(out, n)
				walk(n.Name, v.read(list), depth+1)
				continue
			}
			v.file(&n)
			out = append(out, n)
		}
	}
	if v.bits == 16 {
		walk("", v.s.data[v.rootStart*sec:(v.rootStart+v.rootSecs)*sec], 0)
	} else {
		list, _ := v.chain(v.rootClus, -1)
		v.own("/", list)
		for _, c := range list {
			v.dirClus[c] = true
		}
		walk("", v.read(list), 0)
	}
	for i := range out {
		if v.crossed[out[i].Name] {
			out[i].Status += "+xlink"
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func (v *volume) own(name string, list []int) {
	for _, c := range list {
		if o, ok := v.owner[c]; ok && o != name {
			v.crossed[o], v.crossed[name] = true, true
		}
		v.owner[c] = name
	}
}

func (v *volume) read(list []int) []byte {
	var b []byte
	for _, c := range list {
		o := v.sector(c) * sec
		b = append(b, v.s.data[o:o+v.spc*sec]...)
	}
	return b
}

func (v *volume) file(n *node) {
	if n.Size == 0 {
		n.Sum = "EMPTY"
		if n.Start != 0 {
			n.Status = "size0start"
		}
		return
	}
	if n.Start == 0 {
		n.Sum, n.Status = "NOSTART", "nostart"
		return
	}
	want := (n.Size + v.spc*sec - 1) / (v.spc * sec)
	list, st := v.chain(n.Start, want)
	n.Status = st
	v.own(n.Name, list)
	if len(list) < want {
		n.Sum = "EIO"
		return
	}
	if tail := v.next(list[len(list)-1]); st == "" && tail > 0 {
		n.Status = "long" // chain goes on behind the size
	}
	h := fnv.New64a()
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], uint64(n.Size))
	h.Write(buf[:])
	left := (n.Size + sec - 1) / sec
	for _, c := range list {
		s := v.sector(c)
		for i := 0; i < v.spc && left > 0; i++ {
			binary.LittleEndian.PutUint64(buf[:], uint64(s+i)<<32|uint64(v.s.ver[s+i]))
			h.Write(buf[:])
			left--
		}
	}
	key := h.Sum64()
	if sum, ok := v.hashed[key]; ok && !v.wantBlobs {
		n.Sum = sum
		return
	}
	b := v.read(list)[:n.Size]
	sum := sha256.Sum256(b)
	n.Sum = hex.EncodeToString(sum[:12])
	v.hashed[key] = n.Sum
	if v.wantBlobs {
		v.blobs[n.Sum] = b
	}
}

func parseDir(raw []byte) []node {
	var out []node
	var lfn []uint16
	var lfnSum byte
	var lfnNext int
	for i := 0; i+32 <= len(raw); i += 32 {
		e := raw[i : i+32]
		if e[0] == 0 {
			break
		}
		if e[0] == 0xe5 {
			lfn = nil
			continue
		}
		if e[11]&0x3f == 0x0f {
			seq := int(e[0] & 0x1f)
			if e[0]&0x40 != 0 {
				lfn, lfnSum, lfnNext = make([]uint16, seq*13), e[13], seq
			}
			if lfn == nil || seq != lfnNext || seq == 0 || e[13] != lfnSum {
				lfn = nil
				continue
			}
			var u []byte
			u = append(u, e[1:11]...)
			u = append(u, e[14:26]...)
			u = append(u, e[28:32]...)
			for k := 0; k < 13; k++ {
				lfn[(seq-1)*13+k] = binary.LittleEndian.Uint16(u[k*2:])
			}
			lfnNext--
			continue
		}
		if e[11]&8 != 0 {
			lfn = nil
			continue
		}
		name := short(e)
		if lfn != nil && lfnNext == 0 && lfnSum == checksum(e[:11]) {
			u := lfn
			for k, c := range u {
				if c == 0 {
					u = u[:k]
					break
				}
			}
			name = string(utf16.Decode(u))
		}
		lfn = nil
		if name == "." || name == ".." {
			continue
		}
		start := int(binary.LittleEndian.Uint16(e[26:])) | int(binary.LittleEndian.Uint16(e[20:]))<<16
		out = append(out, node{Name: name, Dir: e[11]&0x10 != 0, Size: int(binary.LittleEndian.Uint32(e[28:])), Start: start})
	}
	return out
}

func short(e []byte) string {
	base, ext := strings.TrimRight(string(e[:8]), " "), strings.TrimRight(string(e[8:11]), " ")
	if e[12]&8 != 0 {
		base = strings.ToLower(base)
	}
	if e[12]&16 != 0 {
		ext = strings.ToLower(ext)
	}
	if ext != "" {
		base += "." + ext
	}
	return base
}

func checksum(b []byte) byte {
	var s byte
	for _, c := range b {
		s = s>>1 | s<<7
		s += c
	}
	return s
}

func staged(name string) bool {
	b := path.Base(name)
	return strings.HasPrefix(b, ".xen-boot-builder-") || strings.HasPrefix(b, ".stage")
}

// signature leaves out what staged files hold: nothing relies on them.
func signature(t []node, withStaged bool) string {
	var b bytes.Buffer
	for _, n := range t {
		if staged(n.Name) && !withStaged {
			if strings.Contains(n.Status, "xlink") {
				continue
			}
			continue
		}
		fmt.Fprintf(&b, "%s\t%v\t%s\t%s\n", n.Name, n.Dir, n.Sum, n.Status)
	}
	return b.String()
}
