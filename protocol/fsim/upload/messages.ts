/** fdo.upload: a file from device to owner. */
import { bool, bytes, text, uint } from '../../cbor/schema.ts'

export const UPLOAD = 'fdo.upload'

/** owner → device `need-sha: bool`: whether the hash follows the data, from now on. */
export const NeedSha = bool
/** owner → device `name: tstr`, the file wanted. */
export const Name = text
/** device → owner `length: uint`, before the data. */
export const Length = uint()
/** device → owner `data: bstr`, repeated; an empty file is one empty string. */
export const Data = bytes()
/** device → owner `sha-384: bstr .size 48`, after all data. */
export const Sha384 = bytes(48)
