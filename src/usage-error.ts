/** The call or its input is wrong: exit code 2 and one line that says what was found and what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError'

  constructor(what: string, expected: string, options?: ErrorOptions) {
    super(`${what}; expected ${expected}`, options)
  }
}
