import { describe, expect, it } from 'vitest'
import { errorMessage, parseErrorMessage } from '../../../protocol/error-message.ts'
import { ErrorCode, FdoError, HasteError, isHaste } from '../../../protocol/errors.ts'

const read = (error: unknown) => parseErrorMessage(errorMessage(error, 30, new Date(0)).bytes)

describe('an error that leaves', () => {
  it('says when to come back to who asked too often', () => {
    const { code, text } = read(new HasteError(7))
    expect(code).toBe(ErrorCode.INTERNAL_SERVER_ERROR)
    expect(text).toBe('too many messages: try again in 7 s')
    expect(isHaste(text)).toBe(true)
  })

  it('says nothing else but its code', () => {
    for (const error of [new FdoError('INVALID_GUID', 'too many messages'), new Error('secret')]) {
      const { text } = read(error)
      expect(text).toMatch(/^[A-Z_]+$/)
      expect(isHaste(text)).toBe(false)
    }
  })
})
