/**
 * Why a transaction refuses something. All of these are mistakes of the caller that nft would refuse too, or,
 * worse, would take for something else; each names the place, so that the message alone is enough to find it.
 */

/** The common ancestor, for `instanceof`. */
export abstract class TransactionError extends Error {
  abstract readonly kind: string
  override get name(): string {
    return this.constructor.name
  }
}

export type Referent = 'table' | 'chain' | 'set' | 'map' | 'counter'

/** `from` refers to a table, chain, set, map or counter that is not there at that point of the transaction. */
export class DanglingReference extends TransactionError {
  override readonly kind = 'dangling-reference'
  /** What refers, in words: `rule 2 of chain input of table inet x`. */
  readonly from: string
  readonly referent: Referent
  /** The name that nothing has. */
  readonly to: string
  constructor(from: string, referent: Referent, to: string) {
    super(`${from} refers to ${referent} ${JSON.stringify(to)}, which is not there at that point`)
    this.from = from
    this.referent = referent
    this.to = to
  }
}

/** A chain, set, map or counter of that name is there already. Sets and maps share their names. */
export class DuplicateName extends TransactionError {
  override readonly kind = 'duplicate-name'
  readonly referent: Referent
  readonly duplicate: string
  constructor(where: string, referent: Referent, duplicate: string) {
    super(`${where} has a ${referent} ${JSON.stringify(duplicate)} already`)
    this.referent = referent
    this.duplicate = duplicate
  }
}

/** An identifier that nft cannot take. */
export class InvalidName extends TransactionError {
  override readonly kind = 'invalid-name'
  readonly invalid: string
  constructor(invalid: string, why: string) {
    super(`${JSON.stringify(invalid)} cannot be a name in nftables: ${why}`)
    this.invalid = invalid
  }
}

/** A comment, or a log prefix, that nft cannot hold. */
export class InvalidText extends TransactionError {
  override readonly kind = 'invalid-text'
  readonly text: string
  constructor(where: string, text: string, why: string) {
    super(`${where}: the text ${JSON.stringify(text)} ${why}`)
    this.text = text
  }
}

/** A value that nft would refuse, or would take for something other than what it says. */
export class InvalidValue extends TransactionError {
  override readonly kind = 'invalid-value'
  readonly value: unknown
  constructor(where: string, value: unknown, why: string) {
    super(`${where}: ${JSON.stringify(value)} ${why}`)
    this.value = value
  }
}
