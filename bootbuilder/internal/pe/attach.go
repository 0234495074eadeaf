package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	certificateAlignment  = 8
	certificateHeaderSize = 8
	certificateRevision2  = 0x0200
	certificatePKCS7      = 0x0002 // WIN_CERT_TYPE_PKCS_SIGNED_DATA
)

// ReadWriterAt is a file that is changed in place.
type ReadWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// AttachSignature makes an unsigned image of size bytes a signed one: it fills the file
// up with zeros to a multiple of 8, appends the DER-encoded PKCS #7 message as its
// attribute certificate table, points the Security directory there and corrects the
// CheckSum. It gives the file's new size. It doesn't look into the message.
//
// An image that is signed already is refused, and one that has no digest. After an error the file may have been
// changed in part: use it on a temporary file.
func AttachSignature(f ReadWriterAt, size int64, pkcs7 []byte) (int64, error) {
	im, err := Parse(f, size)
	if err != nil {
		return 0, fmt.Errorf("attach signature: %w", err)
	}
	if _, err := im.hashed(); err != nil {
		return 0, fmt.Errorf("attach signature: %w", err)
	}
	start := alignUp(size, certificateAlignment)
	table := certificateTable(pkcs7)
	newSize := start + int64(len(table))
	switch {
	case im.directories() <= securityDirectory:
		return 0, errors.New("attach signature: the image has no Security directory")
	case im.Signed():
		return 0, errors.New("attach signature: the image is signed already")
	case len(pkcs7) == 0 || len(table) > maxCertificates:
		return 0, fmt.Errorf("attach signature: its size is %d bytes", len(pkcs7))
	case newSize > maxImage:
		return 0, fmt.Errorf("attach signature: %w", errTooBig)
	}
	entry := securityDirectoryEntry(start, int64(len(table)))
	// Padding and table are one write, directly behind the image.
	tail := append(make([]byte, start-size), table...)
	if _, err := f.WriteAt(tail, size); err != nil {
		return 0, fmt.Errorf("attach signature: %w", err)
	}
	if _, err := f.WriteAt(entry, int64(im.securityEntry())); err != nil {
		return 0, fmt.Errorf("attach signature: %w", err)
	}
	if err := fixChecksum(f, newSize, int64(im.opt+optCheckSum)); err != nil {
		return 0, fmt.Errorf("attach signature: %w", err)
	}
	return newSize, nil
}

// certificateTable wraps a message as the one WIN_CERTIFICATE of a table. Its length counts
// the zeros up to the next multiple of 8, as sbsign's does: osslsigncode 2.5 refuses a
// table whose length differs from its certificate's.
func certificateTable(pkcs7 []byte) []byte {
	n := certificateHeaderSize + len(pkcs7)
	table := make([]byte, alignUp(int64(n), certificateAlignment))
	binary.LittleEndian.PutUint32(table, uint32(len(table)))
	binary.LittleEndian.PutUint16(table[4:], certificateRevision2)
	binary.LittleEndian.PutUint16(table[6:], certificatePKCS7)
	copy(table[certificateHeaderSize:], pkcs7)
	return table
}

// fixChecksum reads a whole file and writes its CheckSum, which lies at byte at.
func fixChecksum(f ReadWriterAt, size, at int64) error {
	var sum checksum
	var zero [4]byte
	if _, err := f.WriteAt(zero[:], at); err != nil {
		return err
	}
	err := (part{src: f, size: size}).stream(make([]byte, streamBuffer), func(p []byte) error {
		sum.add(p)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = f.WriteAt(binary.LittleEndian.AppendUint32(nil, sum.value()), at)
	return err
}
