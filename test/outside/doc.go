// Package outside stands for a program of somebody else: its module path does not begin with drayage's, so it
// can use nothing but the public packages. The programs below it move an image in each way that there is, and
// its test runs them against a real registry.
package outside
