package secureboot

import (
	"encoding/binary"
	"fmt"
)

// What a WIN_CERTIFICATE starts with: length with header (4 bytes), revision (2), type (2).
const (
	winCertHeader     = 8
	winCertAlign      = 8
	winCertRevision   = 0x0200
	winCertSignedData = 0x0002
)

// splitTable returns the PKCS#7 signatures of an attribute certificate table,
// each with up to 7 zero bytes of padding cut off. Padding is the one part of an
// image that nothing protects, so nothing may be hidden in it.
func splitTable(table []byte) ([][]byte, error) {
	var signatures [][]byte
	for at := 0; at < len(table); {
		rest := table[at:]
		if len(rest) < winCertHeader {
			return nil, fmt.Errorf("%w: %d bytes behind the last certificate", ErrMalformed, len(rest))
		}
		length := int64(binary.LittleEndian.Uint32(rest))
		revision := binary.LittleEndian.Uint16(rest[4:])
		kind := binary.LittleEndian.Uint16(rest[6:])
		if length <= winCertHeader || length > int64(len(rest)) {
			return nil, fmt.Errorf("%w: certificate at %#x of the table claims %d of the %d bytes left",
				ErrMalformed, at, length, len(rest))
		}
		if revision != winCertRevision || kind != winCertSignedData {
			return nil, fmt.Errorf("%w: certificate of revision %#x, type %#x is not supported",
				ErrMalformed, revision, kind)
		}
		// The next one starts aligned; the last may or may not be padded.
		end := min((length+winCertAlign-1)/winCertAlign*winCertAlign, int64(len(rest)))
		if !zero(rest[length:end]) {
			return nil, fmt.Errorf("%w: data hidden behind a certificate", ErrMalformed)
		}
		signatures = append(signatures, rest[winCertHeader:length])
		at += int(end)
	}
	return signatures, nil
}

// zero reports whether b holds zero bytes only.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
