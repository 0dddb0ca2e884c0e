/** Words in the name of an environment variable that say that its value is nobody's business. */
const SECRET = /(^|_)(TOKEN|AUTH|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|CREDENTIALS|KEY|APIKEY)(_|$)/;

/** Whether the value of this variable belongs into a Secret. Rather one too many: a Secret serves as well. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name.toUpperCase());
}
