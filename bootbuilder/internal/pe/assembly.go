package pe

import (
	"encoding/binary"
	"fmt"
	"io"
)

// streamBuffer is all the memory that content takes on its way, in bytes.
const streamBuffer = 256 << 10

// Assembly is a planned image, made by [Image.Append]. It only refers to its inputs:
// they have to stay open, and unchanged, until it has been written.
type Assembly struct {
	parts    []part
	size     int64
	checkSum int64 // where the CheckSum lies in the file
	security int64 // where the Security directory's entry lies, 0 where there is none

	base     base
	head     []byte  // of the new image, up to the end of its section table
	original []Patch // what was read of the base when this was planned; its head comes first

	skip Digests // that nobody wants of a pass
}

// base is the file that sections are added to.
type base struct {
	r    io.ReaderAt
	size int64
}

// part is a piece of a file: bytes held, or read from src, or else zeros.
type part struct {
	name string // of the section, for messages
	data []byte
	src  io.ReaderAt
	off  int64
	size int64
}

func (a *Assembly) push(p part) {
	if p.data != nil {
		p.size = int64(len(p.data))
	}
	if p.size > 0 || p.name != "" { // an empty section has a digest too
		a.parts = append(a.parts, p)
		a.size += p.size
	}
}

// Size is the size of the image as a file, in bytes.
func (a *Assembly) Size() int64 { return a.size }

// Destination is an empty file, opened for writing but not for appending.
type Destination interface {
	io.Writer
	io.WriterAt
}

// WriteTo writes the image, unsigned, in one pass over its inputs. It fails where a
// section's data end before the size that was promised. After an error w holds a part
// of the image, with a CheckSum of zero.
func (a *Assembly) WriteTo(w Destination) error {
	var sum checksum
	err := a.stream(func(p []byte) error {
		sum.add(p)
		_, err := w.Write(p)
		return err
	})
	if err == nil {
		_, err = w.WriteAt(binary.LittleEndian.AppendUint32(nil, sum.value()), a.checkSum)
	}
	if err != nil {
		return fmt.Errorf("write PE image: %w", err)
	}
	return nil
}

// stream hands out the image piece by piece, with a CheckSum of zero.
func (a *Assembly) stream(use func([]byte) error) error {
	buf := make([]byte, min(streamBuffer, a.size))
	for _, p := range a.parts {
		if err := p.stream(buf, use); err != nil {
			return err
		}
	}
	return nil
}

// stream hands out a part by way of buf.
func (p part) stream(buf []byte, use func([]byte) error) error {
	return p.streamBy(buf, func(b []byte, off int64) error { return readFull(p.src, b, off) }, use)
}

// streamBy is stream with another way of reading src.
func (p part) streamBy(buf []byte, read func([]byte, int64) error, use func([]byte) error) error {
	if p.data != nil {
		return use(p.data)
	}
	if p.src == nil {
		clear(buf)
	}
	for done := int64(0); done < p.size; {
		chunk := buf[:min(p.size-done, int64(len(buf)))]
		if p.src != nil {
			if err := read(chunk, p.off+done); err != nil {
				if p.name != "" {
					return fmt.Errorf("read the %d bytes of section %q: %w", p.size, p.name, err)
				}
				return fmt.Errorf("read the image: %w", err)
			}
		}
		if err := use(chunk); err != nil {
			return err
		}
		done += int64(len(chunk))
	}
	return nil
}
