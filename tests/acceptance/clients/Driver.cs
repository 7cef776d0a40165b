// Calls operations through the client that OpenAPI Generator generated: Driver.exe URL VERSION

using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Keeper.Client;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

public static class Driver
{
    // The generator changes the case and the punctuation of names.
    static string Plain(string name)
    {
        return new string(name.Where(char.IsLetterOrDigit).ToArray()).ToLowerInvariant();
    }

    static IEnumerable<Type> Apis()
    {
        return typeof(Configuration).Assembly.GetTypes().Where(type =>
            type.IsClass && typeof(IApiAccessor).IsAssignableFrom(type));
    }

    static MethodInfo Find(Type api, string operation)
    {
        return api.GetMethods().FirstOrDefault(method => Plain(method.Name) == Plain(operation) + "withhttpinfo");
    }

    static Configuration Configure(string url, JObject caller)
    {
        var configuration = new Configuration { BasePath = url };
        if (caller["name"] != null)
        {
            configuration.Username = (string)caller["name"];
            configuration.Password = (string)caller["password"];
        }
        if (caller["ticket"] != null)
        {
            configuration.ApiKey["Authorization"] = (string)caller["ticket"];
            configuration.ApiKeyPrefix["Authorization"] = "SOTicket";
        }
        if (caller["session"] != null)
        {
            configuration.ApiKey["ASP.NET_SessionId"] = (string)caller["session"];
            configuration.ApiKey["X-XSRF-TOKEN"] = (string)caller["xsrf"];
        }
        return configuration;
    }

    static object Argument(ParameterInfo parameter, JObject request)
    {
        foreach (var member in new[] { "pathArguments", "query" })
            foreach (var given in ((JObject)request[member]).Properties())
                if (Plain(given.Name) == Plain(parameter.Name))
                    return given.Value.ToObject(parameter.ParameterType);
        var isDeclared = request["declared"].Any(name => Plain((string)name) == Plain(parameter.Name));
        if (!isDeclared && request["requestType"].Type != JTokenType.Null)
            return request["body"].ToObject(parameter.ParameterType);
        return parameter.HasDefaultValue ? parameter.DefaultValue : null;
    }

    static JObject Call(string url, JObject request)
    {
        foreach (var type in Apis())
        {
            var method = Find(type, (string)request["operation"]);
            if (method == null) continue;
            var sent = (string)request["requestType"];
            if (sent != null && !sent.EndsWith("json"))
                return new JObject { ["lacks"] = "The generated C# client writes every body as JSON." };
            var configuration = Configure(url, (JObject)request["caller"]);
            var api = Activator.CreateInstance(type, configuration);
            var inputs = method.GetParameters().Select(parameter => Argument(parameter, request)).ToArray();
            var response = (IApiResponse)method.Invoke(api, inputs);
            var value = response.Content == null ? JValue.CreateNull() : JToken.FromObject(response.Content);
            return new JObject { ["status"] = (int)response.StatusCode, ["value"] = value };
        }
        return new JObject { ["lacks"] = "The generated C# client has no method for the call." };
    }

    // The generated client hands over the body of an error as text.
    static JToken Parse(string content)
    {
        try
        {
            return JToken.Parse(content);
        }
        catch (JsonException)
        {
            return content;
        }
    }

    static JObject Answer(string url, JObject request)
    {
        try
        {
            return Call(url, request);
        }
        catch (TargetInvocationException exception)
        {
            var error = exception.InnerException as ApiException;
            if (error == null || error.ErrorCode < 400)
                return new JObject { ["failed"] = exception.InnerException.ToString() };
            return new JObject { ["status"] = error.ErrorCode, ["error"] = Parse((string)error.ErrorContent) };
        }
        catch (Exception exception)
        {
            return new JObject { ["failed"] = exception.ToString() };
        }
    }

    public static void Main(string[] arguments)
    {
        Console.WriteLine(new JObject { ["version"] = arguments[1] }.ToString(Formatting.None));
        for (var line = Console.ReadLine(); line != null; line = Console.ReadLine())
            Console.WriteLine(Answer(arguments[0], JObject.Parse(line)).ToString(Formatting.None));
    }
}
