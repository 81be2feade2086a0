/** The database cannot be worked with at this moment; whoever asks again later may be luckier. */
export class DatabaseUnavailable extends Error {
  override readonly name: string = 'DatabaseUnavailable'

  constructor(options: ErrorOptions, message = 'the database cannot be reached, or is overloaded') {
    super(message, options)
  }
}
