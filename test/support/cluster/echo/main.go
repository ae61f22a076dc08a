// Answers each HTTP request with the host's name and the address that it comes from.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	name, _ := os.Hostname()
	handler := func(writer http.ResponseWriter, request *http.Request) {
		address, _, _ := net.SplitHostPort(request.RemoteAddr)
		fmt.Fprintf(writer, "%s %s\n", name, address)
	}
	if err := http.ListenAndServe(":8080", http.HandlerFunc(handler)); err != nil {
		panic(err)
	}
}
