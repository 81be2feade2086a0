/** fdo.download: a file from owner to device. */
import { bytes, int, text, uint } from '../../cbor/schema.ts'

export const DOWNLOAD = 'fdo.download'

/** owner → device `name: tstr`, the place for the file. */
export const Name = text
/** owner → device `length: uint`; without it, an empty `data` ends the file. */
export const Length = uint()
/** owner → device `sha-384: bstr .size 48`, before the data. */
export const Sha384 = bytes(48)
/** owner → device `data: bstr`, repeated; an empty file is one empty string. */
export const Data = bytes()
/** device → owner `done: int`, the bytes written; −1 if that failed. */
export const Done = int

export const FAILED = -1
