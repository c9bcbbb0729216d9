/** A slow, salted hash whose text carries its parameters. */
export interface HashScheme {
  hash(text: string): Promise<string>;
  compare(text: string, hash: string): Promise<boolean>;
}
